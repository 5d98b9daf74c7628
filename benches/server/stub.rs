//! A cloud that knows two answers: role credentials, and always the same instances.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::peer::Failure;

const ROLE: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIABENCH</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:bench</AssumedRoleId><Arn>arn:aws:sts::210987654321:assumed-role/countersign-read/bench</Arn></AssumedRoleUser></AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"#;

const INSTANCES: &str = r#"<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>2</requestId><reservationSet><item><reservationId>r-1</reservationId><ownerId>210987654321</ownerId><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId><imageId>ami-0abcdef1234567890</imageId><instanceState><code>16</code><name>running</name></instanceState><instanceType>t3.small</instanceType><tagSet><item><key>Name</key><value>orders-web-1</value></item></tagSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>"#;

/// What a client without a server sends: the same call, as long as a signed one.
const DIRECT_BODY: &str = "Action=DescribeInstances&Version=2016-11-15";

/// A running stub; it goes on until this process ends.
pub(crate) struct Stub {
    address: std::net::SocketAddr,
}

impl Stub {
    /// Starts one that takes `pause` for each answer but role credentials.
    pub(crate) async fn start(pause: Duration) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A client that goes away ends its connection, and nothing else.
                    let _gone = answer_all(stream, pause).await;
                });
            }
        });
        Ok(Self { address })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of the stub itself, with one connection.
    pub(crate) async fn client(&self) -> Result<Direct, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Direct { stream: BufReader::new(stream) })
    }
}

/// A client that talks to the stub without a server in between.
pub(crate) struct Direct {
    stream: BufReader<TcpStream>,
}

impl Direct {
    pub(crate) async fn call(&mut self) -> Result<(), Failure> {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: stub\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n{DIRECT_BODY}",
            "x".repeat(300),
            DIRECT_BODY.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        message(&mut self.stream).await?.map(drop).ok_or_else(|| "the stub hung up".into())
    }
}

async fn answer_all(stream: TcpStream, pause: Duration) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(body) = message(&mut stream).await? {
        let answer = if body.windows(17).any(|part| part == b"Action=AssumeRole") { ROLE } else { INSTANCES };
        if answer == INSTANCES && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + answer).as_bytes()).await?;
    }
    Ok(())
}

/// The body of the next message; `None` at the end of the connection.
async fn message(stream: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>, Failure> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(body))
}
