//! The temperature limits.

use super::checker::Checker;
use crate::decide::thermal::Limits;

impl Checker<'_, '_> {
    pub(super) fn thermal(&mut self) -> Limits {
        let thermal = &self.raw.thermal;
        let (soft, hard) = (thermal.soft_c, thermal.hard_c);
        self.within(&["thermal", "soft_c"], soft, 30.0, 150.0);
        self.within(&["thermal", "hard_c"], hard, 30.0, 150.0);
        if soft >= hard {
            let found = format!("found {hard}, and `soft_c` is {soft}");
            self.complain(&["thermal", "hard_c"], "must be above `soft_c`", found, None);
        }
        Limits { soft, hard }
    }
}
