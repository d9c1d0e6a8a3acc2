//! A web server that records every request and can be stopped at any time. As the browser's proxy it sees every request
//! to any host.

use anyhow::Result;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use xtask::server::Server;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// A full URL if the browser uses the server as a proxy, else a path.
    pub target: String,
    /// Whether the headers announce a body.
    pub body: bool,
    pub cookie: bool,
}

pub struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    open: Arc<AtomicBool>,
}

impl Recorder {
    /// Serves `folder` on a free port of this machine.
    pub fn start(folder: &Path) -> Result<Self> {
        let behind = Server::start(folder, 0)?;
        let behind = behind.url().trim_start_matches("http://").trim_end_matches('/').to_string();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (seen, open) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(true)));
        let (list, still) = (Arc::clone(&seen), Arc::clone(&open));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !still.load(Ordering::SeqCst) {
                    return;
                }
                let (list, behind) = (Arc::clone(&list), behind.clone());
                std::thread::spawn(move || drop(relay(stream, address, &behind, &list)));
            }
        });
        Ok(Self { address, seen, open })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses all connections from now on, as if the host or the network were gone.
    pub fn stop(&self) {
        // Once only: another test may listen on the freed port by the time this value is dropped.
        if !self.open.swap(false, Ordering::SeqCst) {
            return;
        }
        // Wakes the thread, which waits for a connection.
        drop(TcpStream::connect(self.address));
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}

fn relay(
    mut stream: TcpStream,
    own: SocketAddr,
    behind: &str,
    list: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(64 * 1024));
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(());
    }
    let (mut body, mut cookie) = (false, false);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        let head = line.to_lowercase();
        body |= head.starts_with("transfer-encoding:")
            || head.strip_prefix("content-length:").is_some_and(|length| length.trim() != "0");
        cookie |= head.starts_with("cookie:");
        line.clear();
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    list.lock().unwrap_or_else(PoisonError::into_inner).push(Request {
        method: method.into(),
        target: target.into(),
        body,
        cookie,
    });
    let origin = format!("http://{own}");
    let path = target.strip_prefix(&origin).unwrap_or(target);
    if !path.starts_with('/') {
        return stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut server = TcpStream::connect(behind)?;
    write!(server, "{method} {path} HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n")?;
    std::io::copy(&mut server, &mut stream)?;
    stream.shutdown(Shutdown::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_was_stopped_leaves_its_port_to_others() -> Result<()> {
        let recorder = Recorder::start(&std::env::temp_dir())?;
        recorder.stop();
        let next = TcpListener::bind(recorder.address())?;
        // Would wait for the next listener to go.
        recorder.stop();
        drop(recorder);
        next.set_nonblocking(true)?;
        assert!(next.accept().is_err(), "the port's next owner was knocked at");
        Ok(())
    }
}
