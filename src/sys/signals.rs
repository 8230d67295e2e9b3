//! Questions about signals: their disposition, and the thread that a process began with.

use std::mem::MaybeUninit;

/// Whether the system's default action is set for a signal: no handler, and not ignored.
pub(crate) fn has_default_action(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, the call only writes the present one to `action`, which is large enough.
    let code = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeros is a valid value of this C struct, and the kernel may have filled it in.
    let action = unsafe { action.assume_init() };
    code == 0 && action.sa_sigaction == libc::SIG_DFL
}

/// Whether this is the main thread of the process.
pub(crate) fn is_main_thread() -> bool {
    // SAFETY: neither call has arguments, and neither can fail.
    unsafe { libc::gettid() == libc::getpid() }
}
