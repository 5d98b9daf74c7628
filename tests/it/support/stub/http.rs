//! As much of HTTP/1.1 as an AWS client uses against a plain endpoint.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A request for an AWS operation.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The operation's name, from the form's `Action` or the header `X-Amz-Target`.
    pub(crate) operation: String,
    /// The form's fields; empty where the body is JSON.
    form: BTreeMap<String, String>,
    /// The JSON body; null where there is none.
    pub(crate) json: Value,
    authorization: String,
}

impl Request {
    /// A field of the form, such as `InstanceId.1`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }

    /// The items of a list in the form: `InstanceId.1`, `InstanceId.2`, ...
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|number| self.field(&format!("{name}.{number}"))).collect()
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.field("DryRun") == Some("true")
    }

    pub(crate) fn forget_dry_run(&mut self) {
        self.form.remove("DryRun");
    }

    /// The access key it was signed with.
    pub(crate) fn access_key(&self) -> &str {
        let credential = self.authorization.split_once("Credential=").map(|(_, rest)| rest).unwrap_or_default();
        credential.split('/').next().unwrap_or_default()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    body: String,
}

impl Reply {
    pub(crate) fn ok(body: String) -> Self {
        Self { status: 200, body }
    }

    pub(crate) fn error(status: u16, body: String) -> Self {
        Self { status, body }
    }
}

/// A client's connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The next request; `None` where the client hung up.
    pub(crate) async fn request(&mut self) -> Option<Request> {
        let mut start = String::new();
        self.stream.read_line(&mut start).await.ok().filter(|read| *read > 0)?;
        let (mut length, mut target, mut authorization) = (0, String::new(), String::new());
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "x-amz-target" => target = value.trim().to_owned(),
                "authorization" => authorization = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8(body).ok()?;
        Some(match target.rsplit_once('.') {
            Some((_, operation)) => Request {
                operation: operation.to_owned(),
                form: BTreeMap::new(),
                json: serde_json::from_str(&body).unwrap_or_default(),
                authorization,
            },
            None => {
                let form = form(&body);
                let operation = form.get("Action").cloned().unwrap_or_default();
                Request { operation, form, json: Value::Null, authorization }
            }
        })
    }

    pub(crate) async fn reply(&mut self, reply: Reply) -> std::io::Result<()> {
        let Reply { status, body } = reply;
        let kind = if body.starts_with('{') { "application/x-amz-json-1.0" } else { "text/xml" };
        let head = format!(
            "HTTP/1.1 {status} stub\r\ncontent-type: {kind}\r\nx-amzn-requestid: req-stub\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(format!("{head}{body}").as_bytes()).await?;
        self.stream.flush().await
    }
}

fn form(body: &str) -> BTreeMap<String, String> {
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Percent-decoding, with `+` for a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).unwrap()
}
