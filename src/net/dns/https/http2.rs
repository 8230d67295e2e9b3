//! DNS over HTTPS with HTTP/2, by hyper (RFC 8484, RFC 9113).

use std::io;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use hyper::{Method, Request, Response};

use super::{DNS_MESSAGE, MAX_MESSAGE, authority, get_path, no_message, status_fault, type_fault};
use crate::event_loop::LoopHandle;
use crate::net::dns::DnsServer;
use crate::net::{DuplexStream, HyperExecutor, StreamReader, StreamWriter};

/// Connection that many queries share; it ends with the last clone.
pub(in crate::net::dns) type Sender = SendRequest<Full<Bytes>>;

/// Starts HTTP/2 on a connection.
pub(in crate::net::dns) async fn handshake(
    event_loop: &LoopHandle,
    reader: StreamReader,
    writer: StreamWriter,
) -> io::Result<Sender> {
    let executor = HyperExecutor::new(event_loop);
    let io = DuplexStream::new(reader, writer);
    let (sender, connection) = http2::handshake(executor, io).await.map_err(|it| failure(&it))?;
    // Its failures reach the queries, too.
    drop(event_loop.create_task(async move { drop(connection.await) }));
    Ok(sender)
}

/// Sends a query, and returns the message of the response.
pub(in crate::net::dns) async fn ask(
    mut sender: Sender,
    server: &DnsServer,
    message: &[u8],
) -> io::Result<Vec<u8>> {
    let request = request(server, message)?;
    sender.ready().await.map_err(|it| failure(&it))?;
    let response = sender.send_request(request).await.map_err(|it| failure(&it))?;
    read(response).await
}

fn request(server: &DnsServer, message: &[u8]) -> io::Result<Request<Full<Bytes>>> {
    let path = get_path(server, message);
    let is_get = path.is_some();
    let path = path.unwrap_or_else(|| server.path().to_owned());
    let uri = format!("https://{}{path}", authority(server));
    let builder = Request::builder().uri(uri).header(ACCEPT, DNS_MESSAGE);
    let request = if is_get {
        builder.method(Method::GET).body(Full::default())
    } else {
        let body = Full::new(Bytes::copy_from_slice(message));
        builder.method(Method::POST).header(CONTENT_TYPE, DNS_MESSAGE).body(body)
    };
    request.map_err(|error| no_message(format!("the address is no request: {error}")))
}

async fn read(response: Response<Incoming>) -> io::Result<Vec<u8>> {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|it| it.to_str().ok());
    if let Some(why) = status_fault(status.as_u16(), "", header(LOCATION)) {
        return Err(no_message(why));
    }
    if let Some(why) = type_fault(header(CONTENT_TYPE)) {
        return Err(no_message(why));
    }
    let body = Limited::new(response.into_body(), MAX_MESSAGE).collect().await;
    match body {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) => match error.downcast_ref::<hyper::Error>() {
            Some(error) => Err(failure(error)),
            None => Err(no_message("it is longer than a message can be")),
        },
    }
}

/// Error of the connection, without hyper's words.
fn failure(error: &hyper::Error) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut is_over = error.is_canceled() || error.is_closed() || error.is_incomplete_message();
    while let Some(inner) = source {
        // Because h2 reports the end of a connection as a broken pipe, in its words.
        let is_end =
            |kind| matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof);
        if let Some(error) = inner.downcast_ref::<io::Error>().filter(|it| !is_end(it.kind())) {
            return io::Error::new(error.kind(), error.to_string());
        }
        is_over |= inner.downcast_ref::<io::Error>().is_some();
        source = inner.source();
    }
    let text = if is_over {
        "closed the connection without an answer"
    } else {
        "ended the HTTP/2 connection with an error"
    };
    io::Error::new(io::ErrorKind::ConnectionAborted, text)
}
