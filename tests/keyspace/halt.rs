//! Halts a run in the middle of its work: what it sends behind a chosen request waits until the test says so.

use crate::support::frame_proxy::{At, FrameProxy, Harm};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A line that carries nothing more of its client once a request has gone on to its node.
pub struct Gate {
    reached: Receiver<()>,
    open: Sender<()>,
}

/// Halts the line of a client once it has sent a request that holds this text.
pub fn halt(proxy: &FrameProxy, text: &str) -> Gate {
    let (tell, reached) = channel();
    let (open, opened) = channel();
    let call = move |_| {
        let _ = tell.send(());
        // An error is the test's end.
        let _ = opened.recv();
    };
    proxy.heal();
    proxy.harm(At::Sent(text.to_string()), Harm::Call(Box::new(call)));
    Gate { reached, open }
}

impl Gate {
    /// Waits until the request has gone on.
    pub fn reached(&self) {
        self.reached.recv().expect("the request is sent");
    }

    /// Lets what is behind it pass.
    pub fn open(self) {
        let _ = self.open.send(());
    }
}
