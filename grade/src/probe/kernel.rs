//! Probes about what namespaces and keyrings keep apart.

use std::ffi::{CString, OsString};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

fn word(arguments: &[OsString]) -> Result<&str> {
    arguments.first().and_then(|word| word.to_str()).context("an argument is missing")
}

/// Says `ready` and stays until stdin ends, so that the check can look from outside.
fn ready() -> Result<()> {
    super::hold(&[])
}

/// Prints `found` when the session keyring has a key of type `user` with this description, else the errno's name.
pub(super) fn key(arguments: &[OsString]) -> Result<()> {
    let description = CString::new(word(arguments)?)?;
    // SAFETY: both strings end with a NUL and live through the call.
    let found = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_request_key,
            c"user".as_ptr(),
            description.as_ptr(),
            std::ptr::null::<u8>(),
            0,
        )
    });
    match found {
        Ok(_) => println!("found"),
        Err(error) => println!("{error:?}"),
    }
    Ok(())
}

/// Renames the host that it sees to the argument, prints `ready`, stays until stdin ends.
pub(super) fn hostname(arguments: &[OsString]) -> Result<()> {
    nix::unistd::sethostname(word(arguments)?).context("sethostname")?;
    ready()
}

/// Mounts a tmpfs on the argument and writes a file `mark` into it, prints `ready`, stays until stdin ends.
pub(super) fn tmpfs(arguments: &[OsString]) -> Result<()> {
    let point = Path::new(word(arguments)?);
    mount(Some("probe"), point, Some("tmpfs"), MsFlags::empty(), None::<&str>).context("mount a tmpfs")?;
    std::fs::write(point.join("mark"), "")?;
    ready()
}

/// Makes a System V shared memory segment with the key given as a number, prints `ready`, stays until stdin ends.
pub(super) fn shm_make(arguments: &[OsString]) -> Result<()> {
    let key = word(arguments)?.parse()?;
    // SAFETY: shmget takes numbers.
    Errno::result(unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) })
        .context("shmget")?;
    ready()
}

/// Prints `found` when there is a shared memory segment with this key, else the errno's name.
pub(super) fn shm_find(arguments: &[OsString]) -> Result<()> {
    let key = word(arguments)?.parse()?;
    // SAFETY: shmget takes numbers.
    match Errno::result(unsafe { libc::shmget(key, 0, 0) }) {
        Ok(_) => println!("found"),
        Err(error) => println!("{error:?}"),
    }
    Ok(())
}

/// Calls itself over 127.0.0.1 and prints `connected`.
pub(super) fn loopback(_arguments: &[OsString]) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on 127.0.0.1")?;
    let mut caller = TcpStream::connect(listener.local_addr()?).context("connect to 127.0.0.1")?;
    let (mut called, _) = listener.accept()?;
    caller.write_all(b"x")?;
    let mut byte = [0];
    called.read_exact(&mut byte)?;
    println!("connected");
    Ok(())
}
