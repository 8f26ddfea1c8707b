//! The protocol's version 4 (native_protocol_v4.spec), as much of it as sending a statement to one node takes.
//!
//! The harness does not look through the driver that kmig uses: a driver chooses nodes, prepares, retries and waits, and
//! what it hides a test could not see. Here one statement is one frame to one node.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::tls::Tls;
use super::value::{Reader, Type};

/// How long a node may be silent before the statement counts as failed.
const SILENCE: Duration = Duration::from_secs(60);

/// The consistency of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// One replica.
    One = 1,
    /// More than half of the replicas.
    Quorum = 4,
    /// Every replica.
    All = 5,
    /// Reads see what conditional writes have in hand.
    Serial = 8,
}

/// What a node answered.
#[derive(Debug)]
pub struct Answer {
    /// The rows as `a|b`; null is nothing.
    pub rows: Vec<String>,
    /// Whether the statement changed the schema.
    pub changed_schema: bool,
}

/// Rows as the protocol carries them; null is none.
pub type RawRows = Vec<Vec<Option<Vec<u8>>>>;

/// A connection to one node.
pub struct Client {
    stream: Box<dyn Stream>,
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// Opcodes of section 2.4.
mod opcode {
    pub const ERROR: u8 = 0x00;
    pub const STARTUP: u8 = 0x01;
    pub const READY: u8 = 0x02;
    pub const AUTHENTICATE: u8 = 0x03;
    pub const OPTIONS: u8 = 0x05;
    pub const SUPPORTED: u8 = 0x06;
    pub const QUERY: u8 = 0x07;
    pub const RESULT: u8 = 0x08;
    pub const PREPARE: u8 = 0x09;
    pub const AUTH_RESPONSE: u8 = 0x0F;
    pub const AUTH_SUCCESS: u8 = 0x10;
}

impl Client {
    /// Connects, and asks what the node supports: this is answered before any login.
    pub fn knock(address: SocketAddr, tls: Option<&Tls>) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{address}: {error}");
        let stream = TcpStream::connect_timeout(&address, SILENCE).map_err(told)?;
        stream.set_read_timeout(Some(SILENCE)).map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(tls.wrap(stream)?),
            None => Box::new(stream),
        };
        let mut client = Self { stream };
        match client.ask(opcode::OPTIONS, &[])? {
            (opcode::SUPPORTED, _) => Ok(client),
            (other, _) => Err(format!("{address}: opcode {other} in answer to OPTIONS")),
        }
    }

    /// Logs in; the password may be any where the node asks for none. `announced` is `name/version`, a name alone, or
    /// nothing.
    pub fn log_in(&mut self, user: &str, password: &str, announced: &str) -> Result<(), String> {
        let mut options = vec![("CQL_VERSION", "3.0.0")];
        match announced.split_once('/') {
            Some((name, version)) => {
                options.extend([("APPLICATION_NAME", name), ("APPLICATION_VERSION", version)])
            }
            None if announced.is_empty() => {}
            None => options.push(("APPLICATION_NAME", announced)),
        }
        let count = u16::try_from(options.len()).expect("a few options");
        let mut startup = count.to_be_bytes().to_vec();
        for (name, value) in options {
            startup.extend(string(name));
            startup.extend(string(value));
        }
        let (mut code, _) = self.ask(opcode::STARTUP, &startup)?;
        if code == opcode::AUTHENTICATE {
            let token = format!("\0{user}\0{password}");
            let body = [&length(token.len())[..], token.as_bytes()].concat();
            (code, _) = self.ask(opcode::AUTH_RESPONSE, &body)?;
        }
        match code {
            opcode::READY | opcode::AUTH_SUCCESS => Ok(()),
            other => Err(format!("opcode {other} in answer to a login")),
        }
    }

    /// Runs one statement.
    pub fn query(&mut self, statement: &str, consistency: Consistency) -> Result<Answer, String> {
        let body = [
            &length(statement.len())[..],
            statement.as_bytes(),
            &(consistency as u16).to_be_bytes(),
            &[0], // no values, no paging: a test's results are small
        ]
        .concat();
        let (code, body) = self.ask(opcode::QUERY, &body)?;
        assert_eq!(code, opcode::RESULT, "the answer to a query");
        let mut reader = Reader::new(&body);
        Ok(match reader.int() {
            2 => Answer {
                rows: rows(&mut reader),
                changed_schema: false,
            },
            kind => Answer {
                rows: Vec::new(),
                changed_schema: kind == 5,
            },
        })
    }

    /// The rows of a query, their values as the protocol carries them.
    pub fn raw(&mut self, query: &str, consistency: Consistency) -> Result<RawRows, String> {
        let body = [
            &length(query.len())[..],
            query.as_bytes(),
            &(consistency as u16).to_be_bytes(),
            &[0],
        ]
        .concat();
        let (code, body) = self.ask(opcode::QUERY, &body)?;
        assert_eq!(code, opcode::RESULT, "the answer to a query");
        let mut reader = Reader::new(&body);
        assert_eq!(reader.int(), 2, "a query answers with rows");
        let columns = types(&mut reader).len();
        let count = reader.int();
        let row = |reader: &mut Reader<'_>| {
            let cells = (0..columns).map(|_| reader.bytes().map(<[u8]>::to_vec));
            cells.collect()
        };
        Ok((0..count).map(|_| row(&mut reader)).collect())
    }

    /// Prepares one statement, which the node then remembers.
    #[allow(dead_code, reason = "each binary uses its own share")]
    pub fn prepare(&mut self, statement: &str) -> Result<(), String> {
        let body = [&length(statement.len())[..], statement.as_bytes()].concat();
        self.ask(opcode::PREPARE, &body).map(|_| ())
    }

    /// Sends a frame and waits for its answer: opcode and body, without warnings. An ERROR is an `Err`.
    fn ask(&mut self, code: u8, body: &[u8]) -> Result<(u8, Vec<u8>), String> {
        let told = |error: std::io::Error| error.to_string();
        let frame = [&[4, 0, 0, 0, code][..], &length(body.len()), body].concat();
        self.stream.write_all(&frame).map_err(told)?;
        self.stream.flush().map_err(told)?;
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).map_err(told)?;
        let [_, flags, _, _, code, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        let mut body = vec![0; usize::try_from(length).expect("a length")];
        self.stream.read_exact(&mut body).map_err(told)?;
        let mut reader = Reader::new(&body);
        if flags & 0x08 != 0 {
            for _ in 0..reader.short() {
                reader.string();
            }
        }
        if code == opcode::ERROR {
            let number = reader.int();
            return Err(format!("{number:#06x} {}", reader.string()));
        }
        Ok((code, reader.rest().to_vec()))
    }
}

/// The columns of a result of kind Rows (section 4.2.5.2).
fn types(reader: &mut Reader<'_>) -> Vec<Type> {
    let (flags, columns) = (reader.int(), reader.int());
    if flags & 0x02 != 0 {
        reader.bytes(); // paging state
    }
    if flags & 0x01 != 0 {
        reader.string();
        reader.string();
    }
    (0..columns)
        .map(|_| {
            if flags & 0x01 == 0 {
                reader.string();
                reader.string();
            }
            reader.string(); // its name
            Type::read(reader)
        })
        .collect()
}

/// A result of kind Rows, as text.
fn rows(reader: &mut Reader<'_>) -> Vec<String> {
    let types = types(reader);
    let count = reader.int();
    (0..count)
        .map(|_| {
            let cells = types.iter().map(|kind| match reader.bytes() {
                Some(value) => kind.show(value),
                None => String::new(),
            });
            cells.collect::<Vec<_>>().join("|")
        })
        .collect()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a length").to_be_bytes()
}

fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short string");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}
