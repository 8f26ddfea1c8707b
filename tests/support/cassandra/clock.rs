//! A clock for a node that goes wrong: a class that Cassandra takes in place of its own (`-Dcassandra.clock`). It is put
//! together here, since a machine that runs Java need not have its compiler.

use std::fs;
use std::path::Path;

/// The class, which lies in a folder of the node's class path.
pub const CLASS: &str = "KmigClock";

/// Writes the class: the system's clock, and so many milliseconds.
pub fn write(folder: &Path, ahead: i64) {
    let path = folder.join(format!("{CLASS}.class"));
    fs::write(path, class(ahead)).expect("write a clock");
}

/// A class file (JVMS 17, chapter 4) of
/// `class KmigClock implements Clock { long nanoTime() { return System.nanoTime(); }
/// long currentTimeMillis() { return System.currentTimeMillis() + ahead; } }`.
fn class(ahead: i64) -> Vec<u8> {
    let mut file = vec![0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 55];
    file.extend(23_u16.to_be_bytes()); // one more than constants; a long counts twice
    let utf8 = |text: &str| {
        let length = u16::try_from(text.len()).expect("a short name");
        [&[1][..], &length.to_be_bytes(), text.as_bytes()].concat()
    };
    let pool = [
        utf8(CLASS),
        vec![7, 0, 1], // 2: the class
        utf8("java/lang/Object"),
        vec![7, 0, 3], // 4: its parent
        utf8("org/apache/cassandra/utils/Clock"),
        vec![7, 0, 5], // 6: its interface
        utf8("<init>"),
        utf8("()V"),
        vec![12, 0, 7, 0, 8],
        vec![10, 0, 4, 0, 9], // 10: Object.<init>
        utf8("java/lang/System"),
        vec![7, 0, 11],
        utf8("nanoTime"),
        utf8("()J"),
        vec![12, 0, 13, 0, 14],
        vec![10, 0, 12, 0, 15], // 16: System.nanoTime
        utf8("currentTimeMillis"),
        vec![12, 0, 17, 0, 14],
        vec![10, 0, 12, 0, 18], // 19: System.currentTimeMillis
        [&[5][..], &ahead.to_be_bytes()].concat(), // 20
        utf8("Code"),           // 22
    ];
    file.extend(pool.concat());
    // Public; no fields; one interface; three methods.
    file.extend([0, 0x21, 0, 2, 0, 4, 0, 1, 0, 6, 0, 0, 0, 3]);
    file.extend(method(7, 8, &[0x2A, 0xB7, 0, 10, 0xB1])); // aload_0, invokespecial, return
    file.extend(method(13, 14, &[0xB8, 0, 16, 0xAD])); // invokestatic, lreturn
    file.extend(method(17, 14, &[0xB8, 0, 19, 0x14, 0, 20, 0x61, 0xAD])); // …, ldc2_w, ladd, lreturn
    file.extend([0, 0]);
    file
}

/// A public method: constants of its name and type, and what it does.
fn method(name: u8, kind: u8, code: &[u8]) -> Vec<u8> {
    let length = u32::try_from(code.len()).expect("a short method");
    [
        &[0, 1, 0, name, 0, kind, 0, 1, 0, 22][..],
        &(12 + length).to_be_bytes(),
        &[0, 4, 0, 1], // stack and locals
        &length.to_be_bytes(),
        code,
        &[0, 0, 0, 0],
    ]
    .concat()
}
