//! Big-endian integers of signatures: their bit count, their order, and the lower half of an ECDSA group order.

use std::cmp::Ordering;

/// Bits of a big-endian number, leading zeros not counted.
pub(super) fn bits(number: &[u8]) -> usize {
    let number = without_leading_zeros(number);
    number.first().map_or(0, |first| 8 * number.len() - usize::try_from(first.leading_zeros()).unwrap_or(0))
}

pub(super) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    &number[zeros..]
}

/// Order of two big-endian numbers of any length.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_leading_zeros(a), without_leading_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The number in exactly `N` bytes, when it fits.
pub(super) fn padded<const N: usize>(number: &[u8]) -> Option<[u8; N]> {
    let number = without_leading_zeros(number);
    let mut out = [0; N];
    out.get_mut(N.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some(out)
}

/// A curve of the profile, by the order of its group ([SEC 2](https://www.secg.org/sec2-v2.pdf) sections 2.4.2, 2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EcdsaCurve {
    P256,
    P384,
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0,
    0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

impl EcdsaCurve {
    /// The curve that a signature is over, by the size of its integers: a packet does not name it. That both of a P-384
    /// signature fit into 32 bytes does not happen (chance 2^-256), and would only be refused.
    pub(super) fn of(r: &[u8], s: &[u8]) -> Option<Self> {
        [Self::P256, Self::P384].into_iter().find(|curve| r.len().max(s.len()) <= curve.order().len())
    }

    fn order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_ORDER,
            Self::P384 => &P384_ORDER,
        }
    }

    /// Whether s is beyond half of the order: (r, s) and (r, order - s) both verify.
    pub(super) fn is_high(self, s: &[u8]) -> bool {
        // order - s < s, without halving. An s beyond the order is high as well.
        compare(s, self.order()) != Ordering::Less || compare(&self.negate(s), s) == Ordering::Less
    }

    /// order - s, for s below the order.
    pub(super) fn negate(self, s: &[u8]) -> Vec<u8> {
        let mut difference = self.order().to_vec();
        let mut borrow = false;
        let digits = s.iter().rev().chain(std::iter::repeat(&0));
        for (out, digit) in difference.iter_mut().rev().zip(digits) {
            let (less, under) = out.overflowing_sub(*digit);
            let (less, under_again) = less.overflowing_sub(u8::from(borrow));
            *out = less;
            borrow = under || under_again;
        }
        without_leading_zeros(&difference).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_of_each_order_is_low() {
        for curve in [EcdsaCurve::P256, EcdsaCurve::P384] {
            // The order is odd: (order - 1) / 2 is the last low number.
            let mut half = curve.order().to_vec();
            let mut carry = 0;
            for digit in &mut half {
                let next = *digit & 1;
                *digit = *digit >> 1 | carry << 7;
                carry = next;
            }
            assert!(!curve.is_high(&half));
            assert!(curve.is_high(&curve.negate(&half)));
            assert_eq!(curve.negate(&curve.negate(&half)), half);
            assert!(!curve.is_high(&[1]));
            assert!(curve.is_high(curve.order()));
            assert!(curve.is_high(&[0xff; 48]));
            assert_eq!(curve.negate(&curve.negate(&[1])), [1]);
        }
    }

    #[test]
    fn leading_zeros_change_nothing() {
        assert_eq!(bits(&[0, 0, 1]), 1);
        assert_eq!(bits(&[0x80, 0]), 16);
        assert_eq!(bits(&[]), 0);
        assert_eq!(compare(&[0, 2], &[1]), Ordering::Greater);
        assert_eq!(compare(&[0, 0, 1], &[1]), Ordering::Equal);
        assert_eq!(padded::<3>(&[0, 0, 0, 1]), Some([0, 0, 1]));
        assert_eq!(padded::<1>(&[1, 0]), None);
    }
}
