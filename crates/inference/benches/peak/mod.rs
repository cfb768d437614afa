//! The arithmetic peak of a core: how much it multiplies and adds when all operands are in registers, with the instructions of
//! each set of kernels.
//!
//! In assembly, so that it is certain what is in the loop: more sums than multiplications can be under way at once, each with a
//! register of its own. All numbers are zero, which takes as long as any other.

#![allow(unsafe_code, reason = "assembly")]

use std::arch::asm;

const ROUNDS: u64 = 1 << 20;

pub(crate) struct Peak {
    spin: fn(u64),
    /// Multiplications, each with its addition.
    macs_of_round: u64,
}

impl Peak {
    /// For a set of kernels that this processor has, by its name. The portable ones have no peak.
    pub(crate) fn of(set: &str, precision: &str) -> Option<Self> {
        let (spin, macs_of_round): (fn(u64), u64) = match (set, precision) {
            #[cfg(target_arch = "x86_64")]
            ("avx512-vnni" | "avx512", "fp32") => (fma_512, 14 * 16),
            #[cfg(target_arch = "x86_64")]
            ("avx-vnni" | "avx2", "fp32") => (fma_256, 14 * 8),
            #[cfg(target_arch = "x86_64")]
            ("avx512-vnni", "int8") => (dot_512, 14 * 64),
            #[cfg(target_arch = "x86_64")]
            ("avx-vnni", "int8") => (dot_256, 14 * 32),
            #[cfg(target_arch = "x86_64")]
            ("avx512" | "avx2", "int8") => (pairs_256, 13 * 16),
            #[cfg(target_arch = "aarch64")]
            ("neon+dotprod" | "neon", "fp32") => (fma, 24 * 4),
            #[cfg(target_arch = "aarch64")]
            ("neon+dotprod", "int8") => (dot, 24 * 16),
            #[cfg(target_arch = "aarch64")]
            ("neon", "int8") => (pairs, 8 * 16),
            _ => return None,
        };
        Some(Self { spin, macs_of_round })
    }

    pub(crate) fn run(&mut self) {
        (self.spin)(ROUNDS);
    }

    /// Multiply-accumulate operations of one run.
    pub(crate) fn macs(&self) -> u64 {
        ROUNDS * self.macs_of_round
    }
}

/// Defines a function that repeats instructions.
#[cfg(target_arch = "x86_64")]
macro_rules! spin {
    ($name:ident, $($line:literal)+) => {
        fn $name(rounds: u64) {
            // SAFETY: arithmetic on registers that a call may change, for a set of kernels that the processor has.
            unsafe {
                asm!(
                    "vzeroall", "2:", $($line,)+ "dec rcx", "jnz 2b", "vzeroupper",
                    inout("rcx") rounds => _, clobber_abi("C"), options(nomem, nostack)
                );
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
spin!(fma_512, ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12,13" "vfmadd231ps zmm\\sum, zmm14, zmm15" ".endr");
#[cfg(target_arch = "x86_64")]
spin!(fma_256, ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12,13" "vfmadd231ps ymm\\sum, ymm14, ymm15" ".endr");
#[cfg(target_arch = "x86_64")]
spin!(dot_512, ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12,13" "vpdpbusd zmm\\sum, zmm14, zmm15" ".endr");
#[cfg(target_arch = "x86_64")]
spin!(dot_256, ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12,13" "{{vex}} vpdpbusd ymm\\sum, ymm14, ymm15" ".endr");
#[cfg(target_arch = "x86_64")]
spin!(
    pairs_256,
    ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12" "vpmaddwd ymm13, ymm14, ymm15" "vpaddd ymm\\sum, ymm\\sum, ymm13" ".endr"
);

/// Defines a function that repeats instructions. Registers 30 and 31 are the factors.
#[cfg(target_arch = "aarch64")]
macro_rules! spin {
    ($name:ident, $($line:literal)+) => {
        fn $name(rounds: u64) {
            // SAFETY: arithmetic on registers that a call may change, for a set of kernels that the processor has.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    ".irp any,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,30,31",
                    "movi v\\any\\().2d, #0",
                    ".endr",
                    "2:", $($line,)+ "subs x9, x9, #1", "b.ne 2b",
                    inout("x9") rounds => _, clobber_abi("C"), options(nomem, nostack)
                );
            }
        }
    };
}

#[cfg(target_arch = "aarch64")]
spin!(
    fma,
    ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23"
    "fmla v\\sum\\().4s, v30.4s, v31.4s"
    ".endr"
);
#[cfg(target_arch = "aarch64")]
spin!(
    dot,
    ".irp sum,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23"
    "sdot v\\sum\\().4s, v30.16b, v31.16b"
    ".endr"
);
// Products of pairs in registers 10 to 17, their sums in 0 to 7.
#[cfg(target_arch = "aarch64")]
spin!(
    pairs,
    ".irp n,0,1,2,3,4,5,6,7" "smull v1\\n\\().8h, v30.8b, v31.8b" ".endr"
    ".irp n,0,1,2,3,4,5,6,7" "smlal2 v1\\n\\().8h, v30.16b, v31.16b" ".endr"
    ".irp n,0,1,2,3,4,5,6,7" "sadalp v\\n\\().4s, v1\\n\\().8h" ".endr"
);
