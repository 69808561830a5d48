//! Doubles in pairs, which hold 106 bits: sums and products without rounding to 53.
//!
//! `Exact::product(a, b)` is the rounded product and what that lacks; adding pairs up loses nothing that matters until there are more
//! than 2⁵⁰ of them. Variances take the difference of two large sums of this kind, which still has its digits where a difference of
//! doubles has none left.
//!
//! The algorithms are Knuth's sum of two, and Veltkamp's split and Dekker's product ("A floating-point technique for extending the
//! available precision", 1971). `compile::exact` writes the same as generated code.
//!
//! Invariants: the second part is at most half a unit in the last place of the first, but for sums of many, where it may be more.
//!
//! Does not: stay finite where a double would not.

/// A double and what it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exact(pub f64, pub f64);

impl Exact {
    /// The pair whose first part is the upper half of the bits.
    pub fn from_bits(bits: i128) -> Self {
        Self(f64::from_bits((bits >> 64) as u64), f64::from_bits(bits as u64))
    }

    /// The first part in the upper half.
    pub fn to_bits(self) -> i128 {
        (u128::from(self.0.to_bits()) << 64 | u128::from(self.1.to_bits())).cast_signed()
    }

    /// The product of two doubles.
    pub fn product(a: f64, b: f64) -> Self {
        let product = a * b;
        let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
        let lost = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
        Self(product, lost)
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = self.0 + other.0;
        let back = sum - self.0;
        let lost = (self.0 - (sum - back)) + (other.0 - back);
        Self(sum, self.1 + lost + other.1)
    }
}

/// 26 bits each.
fn halves(x: f64) -> (f64, f64) {
    let scaled = x * 134_217_729.0;
    let high = scaled - (scaled - x);
    (high, x - high)
}
