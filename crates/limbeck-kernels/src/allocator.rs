//! What the system's allocator does with memory that is given back.

/// Asks the C library to keep freed memory for the next step instead of handing it back to the kernel: a step frees and
/// takes the same buffers again and again, and fresh memory costs a page fault and a cleared page for every 4 KiB. For
/// programs that train, to be called once at their beginning; does nothing but on Linux with glibc. Blocks above
/// 32 MiB are still handed back.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::keep();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    #![allow(unsafe_code, reason = "a setting of the C library")]

    const TRIM_THRESHOLD: i32 = -1;
    const MMAP_THRESHOLD: i32 = -3;

    unsafe extern "C" {
        safe fn mallopt(parameter: i32, value: i32) -> i32;
    }

    pub(super) fn keep() {
        // The most that glibc takes, and a top of the heap that is never cut. A refusal changes nothing.
        mallopt(MMAP_THRESHOLD, 32 << 20);
        mallopt(TRIM_THRESHOLD, i32::MAX);
    }
}
