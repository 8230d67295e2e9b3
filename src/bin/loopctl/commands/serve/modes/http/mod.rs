//! `--mode http`: an HTTP/1.1 server (RFC 9110, 9112) for the files of a directory; without `--root`, each response
//! describes its request.

mod bad_request;
mod body;
mod file_part;
mod files;
mod listing;
mod path;
mod preconditions;
mod request;
mod request_line;
mod response;
mod status;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::commands::serve::connection::Connection;
use crate::commands::serve::context::ServerPhase;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::PeerIo;
use crate::output::human::serve::text;
use crate::report::served::EndReason;
use crate::util::units;

use bad_request::BadRequest;
use body::Body;
use file_part::{FilePart, became_shorter};
pub(super) use files::Root;
use request::{Request, RequestParser};
use response::{Content, Response};
use status::Status;

/// Time without a byte after which a connection is closed, where `--idle-timeout` sets no other: a persistent
/// connection that is forgotten would take a place for ever.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Answers one request after the other, until the client closes the connection.
pub(super) async fn serve(io: &mut PeerIo, root: Option<&Root>) -> Result<(), Disconnect> {
    let connection = Rc::clone(&io.connection);
    let parser = RequestParser::default();
    let mut exchange = Exchange { connection: &connection, io, root, parser };
    match exchange.answer_all().await {
        Err(Failure::BadRequest(error)) => exchange.reject(&error).await,
        Err(Failure::Disconnect(disconnect)) => Err(disconnect),
        Ok(()) => Ok(()),
    }
}

/// One client's requests and responses.
struct Exchange<'a> {
    connection: &'a Connection,
    io: &'a mut PeerIo,
    root: Option<&'a Root>,
    parser: RequestParser,
}

/// Reason to take no more requests.
enum Failure {
    BadRequest(BadRequest),
    Disconnect(Disconnect),
}

impl Exchange<'_> {
    async fn answer_all(&mut self) -> Result<(), Failure> {
        while let Some(request) = self.next_request().await? {
            if !self.answer(&request).await? {
                break;
            }
        }
        Ok(())
    }

    /// The next request; `None` at the client's end-of-file.
    async fn next_request(&mut self) -> Result<Option<Request>, Failure> {
        loop {
            if let Some(request) = self.parser.next(self.connection.event_loop().time())? {
                return Ok(Some(request));
            }
            if !self.receive().await? {
                return match self.parser.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(BadRequest::malformed("the request ends within its head").into()),
                };
            }
        }
    }

    /// Answers a request; returns whether the connection persists.
    async fn answer(&mut self, request: &Request) -> Result<bool, Failure> {
        let body = request.body()?;
        let is_serving = self.connection.context.phase() == ServerPhase::Serving;
        let is_last = !is_serving || !request.keeps_alive();
        let (response, is_last) = match self.root {
            // The content of a request for a file is not read, so the connection cannot persist after it.
            Some(root) => (self.fetch(root, request).await, is_last || !body.is_complete()),
            None => (self.describe(request, body).await?, is_last),
        };
        let target = utf8_percent_encode(&request.target, CONTROLS);
        self.log(&format!("{} {target}", request.method), &response);
        let head = response.head(is_last, request);
        match response.content {
            _ if request.method == "HEAD" => self.io.output.write(&head).await?,
            Content::Bytes(bytes) => self.io.output.write(&[head, bytes].concat()).await?,
            Content::File(part) => self.send_file(head, part).await?,
            Content::None => self.io.output.write(&head).await?,
        }
        Ok(!is_last)
    }

    async fn fetch(&self, root: &Root, request: &Request) -> Response {
        let (root, request) = (root.clone(), request.clone());
        let event_loop = self.connection.event_loop();
        let work = event_loop.run_in_executor(move || files::answer(&root, &request));
        work.await.unwrap_or_else(|_| Response::plain(Status::INTERNAL_SERVER_ERROR))
    }

    /// The request's head and the length of its content, as text.
    async fn describe(&mut self, request: &Request, mut body: Body) -> Result<Response, Failure> {
        if request.method == "CONNECT" {
            let error = BadRequest::new(Status::NOT_IMPLEMENTED, "CONNECT needs a proxy");
            return Err(error.into());
        }
        if request.expects_continue() && !body.is_complete() {
            self.io.output.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while !body.consume(&mut self.parser.buffer)? {
            if !self.receive().await? {
                return Err(BadRequest::malformed("the request ends within its content").into());
            }
        }
        let mut text = request.head.clone();
        text.extend(format!("{} bytes of body\n", body.length()).bytes());
        Ok(Response::text(Status::OK, text))
    }

    /// Sends a file with sendfile(2), or by writes where faults or a rate apply.
    async fn send_file(&mut self, head: Vec<u8>, part: FilePart) -> Result<(), Disconnect> {
        if self.connection.has_faults() {
            return self.write_file(head, part).await;
        }
        self.io.output.write(&head).await?;
        let Some(rest) = part.sendfile() else { return Ok(()) };
        match self.io.output.send_file(rest).await? {
            bytes if bytes < part.left() => {
                Err(Disconnect::with_error(EndReason::Error, became_shorter()))
            }
            _ => Ok(()),
        }
    }

    /// Writes a file piece by piece, with one piece in memory.
    async fn write_file(&mut self, head: Vec<u8>, part: FilePart) -> Result<(), Disconnect> {
        let (mut buffer, mut part) = (head, part);
        loop {
            let reading = self.connection.event_loop().run_in_executor(move || {
                let result = part.read(&mut buffer);
                (buffer, part, result)
            });
            let result;
            (buffer, part, result) = reading.await.map_err(io::Error::other)?;
            self.io.output.write(&buffer).await?;
            // Content-Length has been sent: all that is left is to close too early.
            result.map_err(|error| Disconnect::with_error(EndReason::Error, error))?;
            if part.is_complete() {
                return Ok(());
            }
            buffer.clear();
        }
    }

    /// Receives more of the request; `false` at end-of-file. Nothing is added when the time for a head is over.
    ///
    /// # Errors
    /// The connection failed, or the client sent nothing for [`KEEP_ALIVE`].
    async fn receive(&mut self) -> Result<bool, Disconnect> {
        let reading = self.io.input.read();
        let event_loop = self.connection.event_loop();
        let data = match self.parser.time_left(event_loop.time()) {
            None if self.connection.context.request.limits.idle.is_some() => reading.await?,
            None => match event_loop.timeout(KEEP_ALIVE, reading).await {
                Ok(data) => data?,
                Err(_) => return Err(Disconnect::Close(EndReason::Idle, None)),
            },
            Some(left) => match event_loop.timeout(left, reading).await {
                Ok(data) => data?,
                Err(_) => return Ok(true),
            },
        };
        self.parser.buffer.extend_from_slice(&data);
        Ok(!data.is_empty())
    }

    /// Sends the error, and closes: after a malformed request, the start of the next one is unknown.
    async fn reject(&mut self, error: &BadRequest) -> Result<(), Disconnect> {
        let text = format!("{}\n", error.text).into_bytes();
        let response = Response::text(error.status, text.clone());
        self.log("-", &response);
        self.io.output.write(&[response.last_head(), text].concat()).await?;
        self.io.linger().await;
        Err(Disconnect::limit(error.text))
    }

    /// A line for `-v`.
    fn log(&self, request: &str, response: &Response) {
        let (peer, status) = (text::peer(self.connection.peer()), response.status.code);
        let length = units::bytes(response.content.length());
        let printer = self.connection.context.printer.borrow();
        printer.remark(&format!("{peer} {request} {status} {length}"));
    }
}

impl From<BadRequest> for Failure {
    fn from(error: BadRequest) -> Self {
        Self::BadRequest(error)
    }
}

impl From<Disconnect> for Failure {
    fn from(disconnect: Disconnect) -> Self {
        Self::Disconnect(disconnect)
    }
}
