//! A file of rows while it is written: hashed as its bytes pass, under a temporary name until it is whole.

use super::{failed, sync_folder};
use crate::backup::manifest::{self, File};
use crate::error::Result;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Write};
use std::mem::take;
use std::path::{Path, PathBuf};

/// Bytes that are handed to the system in one go.
const BUFFER: usize = 1 << 16;

/// Takes the bytes of one file.
#[derive(Debug)]
pub struct Output {
    file: fs::File,
    buffer: Vec<u8>,
    digest: Sha256,
    bytes: u64,
    temporary: PathBuf,
    path: PathBuf,
    /// Its path below the folder of the manifest.
    below: String,
    sealed: bool,
}

impl Output {
    /// Begins a file; what is left of an earlier try is overwritten.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn create(folder: &Path, below: &str) -> Result<Self> {
        let path = folder.join(below);
        let temporary = folder.join(format!("{below}.tmp"));
        let file =
            fs::File::create(&temporary).map_err(|error| failed(&temporary, "written", &error))?;
        Ok(Output {
            file,
            buffer: Vec::with_capacity(BUFFER),
            digest: Sha256::new(),
            bytes: 0,
            temporary,
            path,
            below: below.to_string(),
            sealed: false,
        })
    }

    /// Gives the whole file its name: from here on it survives a crash of the machine.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn seal(mut self) -> Result<File> {
        let rename = |this: &mut Self| {
            this.hand_over()?;
            this.file.sync_all()?;
            fs::rename(&this.temporary, &this.path)
        };
        rename(&mut self).map_err(|error| failed(&self.path, "written", &error))?;
        self.sealed = true;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(File {
            path: take(&mut self.below),
            bytes: self.bytes,
            sha256: manifest::hex(&take(&mut self.digest).finalize()),
        })
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.digest.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Output {
    /// What is half written is of no use, and takes room that may be lacking. After a kill the next run removes it.
    fn drop(&mut self) {
        if !self.sealed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.hand_over()?;
        }
        match bytes.len() > BUFFER {
            true => {
                self.digest.update(bytes);
                self.file.write_all(bytes)?;
            }
            false => self.buffer.extend_from_slice(bytes),
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // The end is what counts: see `seal`.
        Ok(())
    }
}
