//! Sixteen-bit floats, widened to 32 bits without loss.

/// A number of IEEE 754's binary16: one bit of sign, five of exponent, ten of mantissa.
pub(crate) fn from_half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(bits >> 10) & 0x1f, u32::from(bits & 0x3ff));
    let magnitude = match (exponent, mantissa) {
        // Numbers below the smallest normal one are multiples of 2^-24, and so is zero.
        (0, _) => (mantissa as f32 * (1.0 / 16_777_216.0)).to_bits(),
        (0x1f, _) => 0x7f80_0000 | (mantissa << 13),
        _ => ((exponent + 112) << 23) | (mantissa << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// A bfloat16: the upper half of a 32-bit float.
pub(crate) fn from_brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_what_ieee_754_says() {
        let known = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x03ff, 6.097_555e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in known {
            assert_eq!(from_half(bits), value, "{bits:#06x}");
        }
        assert!(from_half(0x8000).is_sign_negative() && from_half(0x8000) == 0.0);
        assert!(from_half(0x7e00).is_nan());
    }

    #[test]
    fn larger_bits_are_larger_numbers() {
        let positive: Vec<f32> = (0..=0x7c00).map(from_half).collect();
        assert!(positive.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn brain_floats_are_the_upper_half_of_floats() {
        assert_eq!(from_brain(0x3f80), 1.0);
        assert_eq!(from_brain(0xc2f7), -123.5);
    }
}
