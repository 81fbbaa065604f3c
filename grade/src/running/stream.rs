//! What comes over a pipe while a check goes on.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::kernel::patient;

/// Of each stream this much is kept; the rest is read and thrown away, so that a flood neither fills
/// the memory nor stops the program.
const CAPTURED: usize = 1024 * 1024;

/// What the runtimes of this check have said on stderr.
static ERRORS: Mutex<Vec<Stream>> = Mutex::new(Vec::new());

/// The first panic of a runtime that this check has started: where, and with what words. Whatever the check has found, this
/// is why, and of a `todo!()` it says what is to be written.
pub(crate) fn panic_told() -> Option<String> {
    // What was said last may still be on its way.
    let deadline = Instant::now() + Duration::from_millis(300);
    let streams = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    streams.iter().find_map(|stream| {
        let said = stream.rest(deadline.saturating_duration_since(Instant::now()));
        panic_in(&String::from_utf8_lossy(&said))
    })
}

/// Rust says "thread 'main' (4711) panicked at src/main.rs:4:5:" and, in the next line, why.
fn panic_in(text: &str) -> Option<String> {
    let mut lines =
        text.lines().skip_while(|line| !(line.starts_with("thread '") && line.contains(" panicked at ")));
    let (_, place) = lines.next()?.split_once(" panicked at ")?;
    let words = lines.next().unwrap_or_default();
    Some(format!("the program panicked at {place} {words}").trim_end().to_string())
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    ended: bool,
}

/// What a thread reads from a pipe while the check goes on.
#[derive(Clone)]
pub(super) struct Stream(Arc<(Mutex<Captured>, Condvar)>);

impl Stream {
    pub fn of(pipe: Option<impl Read + Send + 'static>) -> Stream {
        let stream = Stream(Arc::default());
        let Some(mut pipe) = pipe else {
            stream.put(&[], true);
            return stream;
        };
        let writer = stream.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            // An error of the pipe ends the output as its end does.
            while let Ok(count) = pipe.read(&mut buffer)
                && count > 0
            {
                writer.put(&buffer[..count], false);
            }
            writer.put(&[], true);
        });
        stream
    }

    /// The same of what a runtime says to people, which [`panic_told`] looks into.
    pub fn of_errors(pipe: Option<impl Read + Send + 'static>) -> Stream {
        let stream = Stream::of(pipe);
        ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push(stream.clone());
        stream
    }

    fn put(&self, bytes: &[u8], ended: bool) {
        let (captured, changed) = &*self.0;
        let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
        let room = CAPTURED - captured.bytes.len();
        captured.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        captured.ended |= ended;
        changed.notify_all();
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    /// Waits until `look` finds something in what has come, the stream ends, or `limit` passes.
    pub fn wait<T>(&self, limit: Duration, look: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let (captured, changed) = &*self.0;
        let deadline = Instant::now() + patient(limit);
        let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = look(&captured.bytes);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || captured.ended || left.is_zero() {
                return found;
            }
            captured = changed.wait_timeout(captured, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn rest(&self, limit: Duration) -> Vec<u8> {
        let ended = self.wait::<()>(limit, |_| None);
        debug_assert!(ended.is_none());
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_found_between_other_words() {
        let text =
            "step01: a\nthread 'main' (7) panicked at src/a.rs:4:5:\nnot yet implemented: b\nnote: c\n";
        assert_eq!(panic_in(text).unwrap(), "the program panicked at src/a.rs:4:5: not yet implemented: b");
        assert_eq!(panic_in("step01: a thread panicked at b\n"), None);
    }
}
