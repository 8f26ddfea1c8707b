//! Frames of the protocol, version 4 (native_protocol_v4.spec), as far as the proxy reads them.

use std::io::Read;
use std::net::TcpStream;

/// Opcodes of native_protocol_v4.spec, section 2.4.
pub const REQUESTS: [u8; 4] = [QUERY, PREPARE, EXECUTE, BATCH];
const QUERY: u8 = 0x07;
pub const PREPARE: u8 = 0x09;
pub const EXECUTE: u8 = 0x0A;
pub const REGISTER: u8 = 0x0B;
pub const BATCH: u8 = 0x0D;

/// What tells the requests of a connection apart.
pub fn stream(frame: &[u8]) -> [u8; 2] {
    [frame[2], frame[3]]
}

/// Reads a whole frame: version, flags, stream (2), opcode, length (4), body.
pub fn next(from: &mut &TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 9];
    from.read_exact(&mut frame).ok()?;
    let length = u32::from_be_bytes(frame[5..].try_into().expect("four bytes"));
    let length = usize::try_from(length).expect("a length");
    frame.resize(9 + length, 0);
    from.read_exact(&mut frame[9..]).ok()?;
    Some(frame)
}

/// The ERROR of an overloaded server (section 9), with the stream of an answer.
pub fn overloaded(answer: &[u8]) -> Vec<u8> {
    let said = b"the proxy says so";
    let mut frame = vec![answer[0], 0, answer[2], answer[3], 0];
    let length = 4 + 2 + said.len();
    frame.extend(u32::try_from(length).expect("short").to_be_bytes());
    frame.extend(0x1001_i32.to_be_bytes());
    frame.extend(u16::try_from(said.len()).expect("short").to_be_bytes());
    frame.extend(said);
    frame
}

/// The statement of a QUERY or PREPARE; a compressed one cannot be read.
pub fn text(frame: &[u8]) -> Option<String> {
    if ![QUERY, PREPARE].contains(&frame[4]) || frame[1] & 0x01 != 0 {
        return None;
    }
    let length = u32::from_be_bytes(frame.get(9..13)?.try_into().expect("four bytes"));
    let text = frame.get(13..13 + usize::try_from(length).ok()?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// How many rows an EXECUTE asks for (sections 4.1.4, 4.1.6); nothing where it sets no limit.
pub fn page_size(frame: &[u8]) -> Option<i32> {
    if frame[4] != EXECUTE || frame[1] & 0x01 != 0 {
        return None;
    }
    fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
        let (taken, left) = rest.split_at_checked(count)?;
        *rest = left;
        Some(taken)
    }
    fn short(rest: &mut &[u8]) -> Option<usize> {
        let bytes = take(rest, 2)?.try_into().expect("two bytes");
        Some(u16::from_be_bytes(bytes).into())
    }
    fn int(rest: &mut &[u8]) -> Option<i32> {
        Some(i32::from_be_bytes(
            take(rest, 4)?.try_into().expect("four bytes"),
        ))
    }
    let mut rest = frame.get(9..)?;
    let id = short(&mut rest)?;
    take(&mut rest, id)?;
    let _consistency = short(&mut rest)?;
    let flags = take(&mut rest, 1)?[0];
    if flags & 0x01 != 0 {
        for _ in 0..short(&mut rest)? {
            // Null and unset have no bytes.
            let length = usize::try_from(int(&mut rest)?).unwrap_or(0);
            take(&mut rest, length)?;
        }
    }
    match flags & 0x04 {
        0 => None,
        _ => int(&mut rest),
    }
}

pub fn contains(message: &[u8], text: &[u8]) -> bool {
    message.windows(text.len()).any(|window| window == text)
}
