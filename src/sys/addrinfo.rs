//! `getaddrinfo(3)` and `getnameinfo(3)` with all their flags and errors.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ptr;

use socket2::SockAddr;

/// `hints` argument of `getaddrinfo`, with the numbers of libc.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hints {
    pub(crate) family: c_int,
    pub(crate) socktype: c_int,
    pub(crate) protocol: c_int,
    pub(crate) flags: c_int,
}

/// Result of `getaddrinfo` for one address.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) socktype: c_int,
    pub(crate) protocol: c_int,
    pub(crate) address: SocketAddr,
    pub(crate) canonical_name: Option<String>,
}

/// Failure with its `EAI_*` code; `EAI_SYSTEM` includes `errno`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: c_int,
    pub(crate) system: Option<io::Error>,
}

/// `EAI_ADDRFAMILY` of glibc, which the libc crate lacks.
pub(crate) const EAI_ADDRFAMILY: c_int = -9;

/// Looks up a host and a service by the system's resolver; blocks.
pub(crate) fn getaddrinfo(
    host: Option<&CStr>,
    service: Option<&CStr>,
    hints: Hints,
) -> Result<Vec<Entry>, Failure> {
    // SAFETY: `addrinfo` is a C struct of integers and pointers, for which all zeros is a valid value.
    let mut wanted: libc::addrinfo = unsafe { MaybeUninit::zeroed().assume_init() };
    wanted.ai_family = hints.family;
    wanted.ai_socktype = hints.socktype;
    wanted.ai_protocol = hints.protocol;
    wanted.ai_flags = hints.flags;
    let mut list = ptr::null_mut();
    let as_ptr = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: both strings are null or NUL-terminated and outlive the call, `wanted` is initialised, and
    // `list` is valid for the result.
    let code = unsafe { libc::getaddrinfo(as_ptr(host), as_ptr(service), &wanted, &mut list) };
    if code != 0 {
        return Err(failure(code));
    }
    let answers = List(list);
    Ok(answers.entries())
}

/// Looks up the host and service names of an address by the system's resolver; blocks.
pub(crate) fn getnameinfo(address: SocketAddr, flags: c_int) -> Result<(String, String), Failure> {
    const NI_MAXSERV: usize = 32;
    let address = SockAddr::from(address);
    let mut host: [c_char; libc::NI_MAXHOST as usize] = [0; libc::NI_MAXHOST as usize];
    let mut service: [c_char; NI_MAXSERV] = [0; NI_MAXSERV];
    // SAFETY: the address is valid for its length, and each buffer is passed with its own length.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr(),
            libc::NI_MAXHOST,
            service.as_mut_ptr(),
            NI_MAXSERV as libc::socklen_t,
            flags,
        )
    };
    if code != 0 {
        return Err(failure(code));
    }
    Ok((text(&host), text(&service)))
}

/// System's message for an `EAI_*` code.
pub(crate) fn describe(code: c_int) -> String {
    // SAFETY: gai_strerror takes any number and returns a static NUL-terminated string.
    let message = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
    message.to_string_lossy().into_owned()
}

/// Converts to a C string; `None` if the text contains a NUL.
pub(crate) fn c_string(text: &str) -> Option<CString> {
    CString::new(text).ok()
}

fn failure(code: c_int) -> Failure {
    let system = (code == libc::EAI_SYSTEM).then(io::Error::last_os_error);
    Failure { code, system }
}

fn text(buffer: &[c_char]) -> String {
    // SAFETY: getnameinfo has succeeded, so the buffer holds a NUL-terminated string.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_string_lossy().into_owned()
}

/// Linked list that `getaddrinfo` allocates.
struct List(*mut libc::addrinfo);

impl List {
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut next = self.0;
        // SAFETY: `next` is null or a node of the list, which lives until `self` is dropped.
        while let Some(node) = unsafe { next.as_ref() } {
            entries.extend(entry(node));
            next = node.ai_next;
        }
        entries
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the pointer came from getaddrinfo and is freed only here. glibc never returns an empty
        // list as success, but null would not be freeable.
        if !self.0.is_null() {
            unsafe { libc::freeaddrinfo(self.0) }
        }
    }
}

/// Converts a node of the list; `None` for families other than IP.
fn entry(node: &libc::addrinfo) -> Option<Entry> {
    let mut storage = socket2::SockAddrStorage::zeroed();
    let length = (node.ai_addrlen as usize).min(storage.size_of() as usize);
    // SAFETY: the node's address is valid for `ai_addrlen` bytes, the storage is at least `length` bytes
    // large, and the two do not overlap.
    unsafe {
        ptr::copy_nonoverlapping(
            node.ai_addr.cast::<u8>(),
            (&raw mut storage).cast::<u8>(),
            length,
        );
    }
    // SAFETY: the storage holds an address of that length; the rest of it is zeroed.
    let address = unsafe { SockAddr::new(storage, length as libc::socklen_t) }.as_socket()?;
    let canonical_name = (!node.ai_canonname.is_null()).then(|| {
        // SAFETY: a non-null canonical name is a NUL-terminated string of the list.
        unsafe { CStr::from_ptr(node.ai_canonname) }.to_string_lossy().into_owned()
    });
    let (socktype, protocol) = (node.ai_socktype, node.ai_protocol);
    Some(Entry { socktype, protocol, address, canonical_name })
}
