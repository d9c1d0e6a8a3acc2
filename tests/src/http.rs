//! A minimal HTTP client for JSON, sufficient for WebDriver. A client library would enable features that make Cargo
//! compile Burn again for the tests.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Answers may be late: WebGPU in software can take minutes to start.
const PATIENCE: Duration = Duration::from_secs(600);
/// Enough for a screenshot or a large mask; a driver sends nothing larger.
const LONGEST: u64 = 256 << 20;

/// Sends a request to a server on this machine, with `body` as JSON, and returns the JSON of the answer.
pub fn ask(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("the driver does not answer")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    answer(BufReader::new(stream)).with_context(|| format!("{method} {path}"))
}

fn answer(mut reader: impl BufRead) -> Result<Value> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1."), "not HTTP: {line}");
    let mut length = None;
    loop {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the answer ends in its head");
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<u64>()?);
        }
    }
    let length = length.context("the answer does not state its length")?;
    ensure!(length <= LONGEST, "an answer of {length} bytes");
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    ensure!(body.len() as u64 == length, "{} of {length} bytes came", body.len());
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn answers_are_read_to_their_length_and_no_further() -> anyhow::Result<()> {
        let text = "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\nX: y\r\n\r\n{\"a\":1}rest";
        assert_eq!(answer(text.as_bytes())?["a"], 1);
        let head = "HTTP/1.1 200 OK\r\n";
        for broken in ["", head, &format!("{head}\r\n{{}}"), &format!("{head}Content-Length: 9\r\n\r\n{{}}")]
        {
            assert!(answer(broken.as_bytes()).is_err(), "{broken}");
        }
        Ok(())
    }
}
