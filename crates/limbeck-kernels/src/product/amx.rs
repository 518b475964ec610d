//! The tile registers of AMX: whether there are any, and a time in which they may be used.
//!
//! The intrinsics are closed on stable Rust; the instructions are written as inline assembly. Linux lends the
//! tile registers only to processes that ask for them.
#![allow(unsafe_code, reason = "AMX has no stable intrinsics")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::asm;
use std::sync::OnceLock;

/// The layout of the eight tile registers: 16 rows of 64 bytes each.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Whether the processor has bfloat16 tiles and the kernel lends them to this process.
pub(super) fn available() -> bool {
    static LENT: OnceLock<bool> = OnceLock::new();
    *LENT.get_or_init(|| detected() && permitted())
}

/// Does `work` with all eight registers configured on this thread, and gives them back, so that switching threads need
/// not save them.
pub(super) fn with_tiles<R>(work: impl FnOnce() -> R) -> R {
    assert!(available(), "AMX is only used where it was lent");
    // SAFETY: the configuration is 64 valid bytes; tile registers exist, as asserted.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
    let result = work();
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
    result
}

/// AMX-BF16 and AMX-TILE, bits 22 and 24 of EDX of leaf 7.
fn detected() -> bool {
    let leaf = std::arch::x86_64::__cpuid_count(7, 0);
    leaf.edx & (1 << 22) != 0 && leaf.edx & (1 << 24) != 0
}

#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let answer: i64;
    // SAFETY: arch_prctl with these arguments only changes what this process may use; the clobbers are those
    // of a system call.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
