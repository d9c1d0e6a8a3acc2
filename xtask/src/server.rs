//! A small web server for the built page, reachable only from this machine.

use anyhow::{Result, anyhow};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A server that runs until the program ends.
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves `folder` on 127.0.0.1 from a separate thread; port 0 takes any free one.
    pub fn start(folder: &Path, port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
            let reason = error.kind();
            anyhow!("cannot listen on port {port} of 127.0.0.1 ({reason}); choose another with --port")
        })?;
        let address = listener.local_addr()?;
        let folder: Arc<Path> = folder.into();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = Arc::clone(&folder);
                // It is not an error if the browser closes the connection during an answer.
                std::thread::spawn(move || drop(answer(stream, &folder)));
            }
        });
        Ok(Self { address })
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(64 * 1024));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if method != "GET" && method != "HEAD" {
        return reply(&mut stream, "405 Method Not Allowed", "text/plain", b"only GET and HEAD\n", true);
    }
    match find(folder, target).and_then(|file| Some((fs::read(&file).ok()?, file))) {
        Some((body, file)) => reply(&mut stream, "200 OK", mime(&file), &body, method == "GET"),
        None => reply(&mut stream, "404 Not Found", "text/plain", b"no such file\n", method == "GET"),
    }
}

fn reply(stream: &mut TcpStream, status: &str, mime: &str, body: &[u8], send: bool) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {mime}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if send {
        stream.write_all(body)?;
    }
    stream.flush()
}

/// The file that a request asks for, if it lies in the folder.
fn find(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?;
    let mut file = folder.to_path_buf();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let part = decode(part)?;
        // Only plain names, so that no request leads out of the folder.
        if part == ".." || part.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        file.push(part);
    }
    if file.is_dir() {
        file.push("index.html");
    }
    file.is_file().then_some(file)
}

/// Decodes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

fn mime(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &Server, request: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(server.address)?;
        write!(stream, "{request}\r\nHost: x\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn files_of_the_folder_and_no_others_are_served() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("rbc-server-{}", std::process::id()));
        fs::create_dir_all(folder.join("site/a b"))?;
        fs::write(folder.join("secret.txt"), "secret")?;
        fs::write(folder.join("site/index.html"), "<p>hello</p>")?;
        fs::write(folder.join("site/a b/x.wasm"), "wasm")?;
        let server = Server::start(&folder.join("site"), 0)?;
        let index = ask(&server, "GET /?backend=cpu HTTP/1.1")?;
        let wasm = ask(&server, "GET /a%20b/x.wasm HTTP/1.1")?;
        let head = ask(&server, "HEAD / HTTP/1.1")?;
        let post = ask(&server, "POST / HTTP/1.1")?;
        let outside: Vec<String> =
            ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/none", "/%zz"]
                .iter()
                .map(|path| ask(&server, &format!("GET {path} HTTP/1.1")))
                .collect::<Result<_, _>>()?;
        fs::remove_dir_all(&folder)?;
        assert!(index.starts_with("HTTP/1.1 200") && index.ends_with("<p>hello</p>"), "{index}");
        assert!(wasm.contains("Content-Type: application/wasm\r\n") && wasm.ends_with("wasm"), "{wasm}");
        assert!(head.contains("Content-Length: 12\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
        for answer in outside {
            assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("secret"), "{answer}");
        }
        Ok(())
    }

    #[test]
    fn a_port_in_use_is_an_error_that_says_what_to_do() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let error = Server::start(Path::new("."), port).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains(&port.to_string()) && error.contains("--port")));
        Ok(())
    }
}
