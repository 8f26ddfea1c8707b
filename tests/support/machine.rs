//! What throw-away servers need of this machine: a folder, a port, a user to run as, an environment of their own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that no other test has, with a path short enough for a Unix socket in it.
pub fn new_folder() -> PathBuf {
    let usual = std::env::temp_dir();
    let parent = if usual.as_os_str().len() > 60 {
        PathBuf::from("/tmp")
    } else {
        usual
    };
    tempfile::Builder::new()
        .prefix("kmig-pg-")
        .tempdir_in(parent)
        .expect("make a temporary folder")
        .keep()
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("find a free port")
        .port()
}

/// The user and group that the server runs as, where this process is root.
pub fn server_user() -> Option<(u32, u32)> {
    let number = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    let user = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((number(&["-u", name])?, number(&["-g", name])?)));
    Some(user.expect("root needs a user postgres or nobody to run the server as"))
}

/// Lets a program run as a user.
pub fn run_as(command: &mut Command, user: Option<(u32, u32)>) {
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
}

/// Gives a file or folder to a user, with these permissions.
pub fn give(path: &Path, user: Option<(u32, u32)>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set permissions");
    if let Some((user, group)) = user {
        chown(path, Some(user), Some(group)).expect("give a file to the server's user");
    }
}

/// An environment in which nothing of the user's own Postgres settings counts.
pub fn clean(command: &mut Command, folder: &Path) {
    command.env_clear().current_dir(folder).env("HOME", folder);
    for name in ["PATH", "LD_LIBRARY_PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C").env("TZ", "UTC");
}
