//! Just enough HTTP for an emulator's own endpoints (health, reset) on loopback. AWS calls go through `aws/`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most bytes of an answer; a health page has a few thousand.
const ANSWER_LIMIT: u64 = 1 << 20;

/// One exchange with `127.0.0.1:port`. Returns the body of a 200; everything else is an error.
pub(super) async fn exchange(method: &str, port: u16, path: &str, within: Duration) -> io::Result<String> {
    timeout(within, unlimited_exchange(method, port, path))
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
}

async fn unlimited_exchange(method: &str, port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
    body_of_200(&String::from_utf8_lossy(&answer))
}

fn body_of_200(answer: &str) -> io::Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("not an HTTP answer"))?;
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(io::Error::other(format!("answered `{}`", head.lines().next().unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_200_has_a_body() {
        assert_eq!(body_of_200("HTTP/1.1 200 OK\r\na: b\r\n\r\n{}").unwrap(), "{}");
        for bad in ["HTTP/1.1 503 no\r\n\r\n{}", "200", "", "HTTP/1.1\r\n\r\n"] {
            assert!(body_of_200(bad).is_err(), "{bad:?}");
        }
    }
}
