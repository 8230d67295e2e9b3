//! HTTP/1.1: the files of a directory, or what a request looked like.

mod body;
mod conditions;
mod excerpt;
mod files;
mod listing;
mod path;
mod refused;
mod request;
mod response;
mod status;

use std::io;

use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::client::Client;
use super::conn::{Input, Output};
use super::session::Stage;
use crate::output::human::serve::text;
use crate::output::units;
use crate::report::served::{End, Halt};

use body::Body;
use excerpt::{Excerpt, became_shorter};
pub(super) use files::Root;
use refused::Refused;
use request::{Inbox, Request};
use response::{Content, Response};
use status::Status;

/// Answers one request after the other, until the client has enough.
pub(super) async fn talk(
    client: &Client,
    input: &mut Input,
    output: &mut Output,
) -> Result<(), Halt> {
    let root = client.session.opened.root.get().cloned();
    let mut conversation = Conversation { client, input, output, root, inbox: Inbox::default() };
    match conversation.hold().await {
        Err(Stop::Refused(refused)) => conversation.refuse(&refused).await,
        Err(Stop::Halt(halt)) => Err(halt),
        Ok(()) => Ok(()),
    }
}

struct Conversation<'a> {
    client: &'a Client,
    input: &'a mut Input,
    output: &'a mut Output,
    root: Option<Root>,
    inbox: Inbox,
}

/// Why no more requests are taken.
enum Stop {
    Refused(Refused),
    Halt(Halt),
}

impl Conversation<'_> {
    async fn hold(&mut self) -> Result<(), Stop> {
        while let Some(request) = self.request().await? {
            if !self.answer(&request).await? {
                break;
            }
        }
        Ok(())
    }

    /// The next request; `None` when the client has finished.
    async fn request(&mut self) -> Result<Option<Request>, Stop> {
        loop {
            if let Some(request) = self.inbox.next(self.client.event_loop.time())? {
                return Ok(Some(request));
            }
            if !self.receive().await? {
                return match self.inbox.bytes.is_empty() {
                    true => Ok(None),
                    false => Err(Refused::malformed("the request ends within its head").into()),
                };
            }
        }
    }

    /// Answers a request, and tells whether there may be another one.
    async fn answer(&mut self, request: &Request) -> Result<bool, Stop> {
        let body = request.body()?;
        let is_last = self.client.session.stage() != Stage::Serving || !request.keeps_alive();
        let (response, is_last) = match self.root.clone() {
            // A body that nobody asked for is not worth waiting for its end.
            Some(root) => (self.fetch(root, request).await, is_last || !body.is_over()),
            None => (self.describe(request, body).await?, is_last),
        };
        let target = utf8_percent_encode(&request.target, CONTROLS);
        self.tell(&format!("{} {target}", request.method), &response);
        let head = response.head(is_last, request);
        match response.content {
            _ if request.method == "HEAD" => self.output.write(&head).await?,
            Content::Bytes(bytes) => self.output.write(&[head, bytes].concat()).await?,
            Content::File(excerpt) => self.send_file(head, excerpt).await?,
            Content::Nothing => self.output.write(&head).await?,
        }
        Ok(!is_last)
    }

    async fn fetch(&self, root: Root, request: &Request) -> Response {
        let request = request.clone();
        let work = self.client.event_loop.run_in_executor(move || files::answer(&root, &request));
        work.await.unwrap_or_else(|_| Response::plain(Status::INTERNAL_SERVER_ERROR))
    }

    /// Says what has come.
    async fn describe(&mut self, request: &Request, mut body: Body) -> Result<Response, Stop> {
        if request.method == "CONNECT" {
            return Err(Refused::new(Status::NOT_IMPLEMENTED, "this is no proxy").into());
        }
        if request.awaits_continue() && !body.is_over() {
            self.output.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while !body.take(&mut self.inbox.bytes)? {
            if !self.receive().await? {
                return Err(Refused::malformed("the request ends within its body").into());
            }
        }
        let mut text = request.head.clone();
        text.extend(format!("{} bytes of body\n", body.received()).bytes());
        Ok(Response::text(Status::OK, text))
    }

    /// A file goes out by the kernel, or in pieces where a fault or the pace has to see them.
    async fn send_file(&mut self, head: Vec<u8>, excerpt: Excerpt) -> Result<(), Halt> {
        if !self.output.is_plain() {
            return self.send_pieces(head, excerpt).await;
        }
        self.output.write(&head).await?;
        let Some(rest) = excerpt.rest() else { return Ok(()) };
        match self.output.send_file(rest).await? {
            bytes if bytes < excerpt.left() => Err(Halt::because(End::Error, became_shorter())),
            _ => Ok(()),
        }
    }

    /// So that the size of a file is no matter.
    async fn send_pieces(&mut self, head: Vec<u8>, excerpt: Excerpt) -> Result<(), Halt> {
        let (mut buffer, mut excerpt) = (head, excerpt);
        loop {
            let reading = self.client.event_loop.run_in_executor(move || {
                let result = excerpt.read(&mut buffer);
                (buffer, excerpt, result)
            });
            let result;
            (buffer, excerpt, result) = reading.await.map_err(io::Error::other)?;
            self.output.write(&buffer).await?;
            // The length has been told: all that is left to say is that there is no more.
            result.map_err(|error| Halt::because(End::Error, error))?;
            if excerpt.is_over() {
                return Ok(());
            }
            buffer.clear();
        }
    }

    /// Takes what has come; `false` at the client's end. It may be nothing where a head has its time.
    async fn receive(&mut self) -> Result<bool, Halt> {
        let reading = self.input.read();
        let event_loop = &self.client.event_loop;
        let data = match self.inbox.left(event_loop.time()) {
            None => reading.await?,
            Some(left) => match event_loop.timeout(left, reading).await {
                Ok(data) => data?,
                Err(_) => return Ok(true),
            },
        };
        self.inbox.bytes.extend_from_slice(&data);
        Ok(!data.is_empty())
    }

    /// Says why, and has no more to do with it.
    async fn refuse(&mut self, refused: &Refused) -> Result<(), Halt> {
        let text = format!("{}\n", refused.why).into_bytes();
        let response = Response::text(refused.status, text.clone());
        self.tell("-", &response);
        self.output.write(&[response.last_head(), text].concat()).await?;
        self.client.linger(self.input, self.output).await;
        Err(Halt::limit(refused.why))
    }

    fn tell(&self, request: &str, response: &Response) {
        let (peer, status) = (text::peer(self.client.peer()), response.status.code);
        let length = units::bytes(response.content.length());
        let session = &self.client.session;
        session.teller.borrow().remark(&format!("{peer} {request} {status} {length}"));
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}
