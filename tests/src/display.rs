//! A display in memory, for browsers that have no headless mode.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A display of Xvfb; it ends when this value is dropped.
pub struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// Starts a display with the first free number.
    pub fn start() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start Xvfb")?;
        let output = server.stdout.take().context("Xvfb has no output")?;
        let mut display = Self { server, name: String::new() };
        // In a thread, for it may never tell.
        let (told, telling) = mpsc::channel();
        std::thread::spawn(move || {
            let mut number = String::new();
            let read = BufReader::new(output).read_line(&mut number);
            // Nobody may be waiting any more.
            let _ = told.send(read.map(|_| number));
        });
        let number =
            telling.recv_timeout(Duration::from_secs(30)).context("Xvfb told no display in 30 s")??;
        ensure!(!number.trim().is_empty(), "Xvfb opened no display");
        display.name = format!(":{}", number.trim());
        Ok(display)
    }

    /// As in the environment variable `DISPLAY`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
