//! Decimal numbers in text, and the scale of decimals.
//!
//! `-1.255e1` read at scale 1 is -126: `-12.55` is rounded half away from zero.
//!
//! Invariants: no intermediate value is a float, so every digit counts.
//!
//! Does not: read hexadecimal or the names of special floats.

use super::CastError;

/// The digits of a decimal literal as an unscaled integer, with the least precision and scale that hold it:
/// `1.50` is `(150, 3, 2)`, `0.05` is `(5, 2, 2)`, `1e3` is `(1000, 4, 0)`.
pub fn parse_decimal(text: &str) -> Result<(i128, u8, u8), CastError> {
    let number = Number::parse(text).ok_or_else(|| CastError::invalid(text, &"decimal"))?;
    let too_long = || CastError::out_of_range(text.trim(), &"decimal(38)");
    let scale = (number.fraction_digits() - number.exponent).max(0);
    let unscaled = number.at_scale(scale).ok_or_else(too_long)?;
    let digits = unscaled.unsigned_abs().checked_ilog10().unwrap_or(0) as i32 + 1;
    match (u8::try_from(digits.max(scale)), u8::try_from(scale)) {
        (Ok(precision @ ..=38), Ok(scale)) => Ok((unscaled, precision, scale)),
        _ => Err(too_long()),
    }
}

/// An integer of a sign and at most 18 digits and nothing else, as nearly all are.
pub(super) fn plain_integer(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text.as_bytes());
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let value = digits.iter().try_fold(0i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + i64::from(digit))
    })?;
    Some(if negative { -value } else { value })
}

/// A number in text, not yet evaluated.
pub(super) struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

impl<'a> Number<'a> {
    /// `[+-] digits [. digits] [e [+-] digits]` with at least one digit before the `e`; underscores may stand between
    /// digits.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim().as_bytes();
        let (negative, rest) = sign(text);
        let (whole, rest) = digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest),
            _ => (&rest[..0], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        let has_digit = whole.iter().chain(fraction).any(u8::is_ascii_digit);
        let number = Self {
            negative,
            whole,
            fraction,
            exponent,
        };
        (has_digit && well_separated(whole) && well_separated(fraction)).then_some(number)
    }

    /// The value times 10^scale, rounded half away from zero; `None` past 128 bits.
    pub(super) fn at_scale(&self, scale: i32) -> Option<i128> {
        let last = -i64::from(scale);
        let mut place = i64::from(count(self.whole)) + i64::from(self.exponent);
        // Summed as a negative number, whose range is larger by one.
        let mut value = 0i128;
        let mut round_up = false;
        for byte in self.whole.iter().chain(self.fraction).filter(|b| **b != b'_') {
            let digit = i128::from(byte - b'0');
            place -= 1;
            if place < last {
                round_up = place == last - 1 && digit >= 5;
                break;
            }
            value = value.checked_mul(10)?.checked_sub(digit)?;
        }
        while place > last && value != 0 {
            value = value.checked_mul(10)?;
            place -= 1;
        }
        let value = value.checked_sub(round_up.into())?;
        if self.negative {
            Some(value)
        } else {
            value.checked_neg()
        }
    }

    fn fraction_digits(&self) -> i32 {
        count(self.fraction)
    }
}

/// `unscaled / 10^from` as an unscaled integer at scale `to`, rounded half away from zero; `None` past 128 bits.
pub fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return unscaled.checked_mul(pow10(to - from)?);
    }
    Some(div_round(unscaled, pow10(from - to)?))
}

/// The quotient of a number and a positive divisor, rounded half away from zero.
pub fn div_round(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// 10^n, up to 10^38.
pub fn pow10(n: u8) -> Option<i128> {
    10i128.checked_pow(n.into())
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text.iter().take_while(|b| b.is_ascii_digit() || **b == b'_').count();
    text.split_at(len)
}

fn well_separated(digits: &[u8]) -> bool {
    digits.first() != Some(&b'_') && digits.last() != Some(&b'_')
}

fn count(digits: &[u8]) -> i32 {
    let count = digits.iter().filter(|b| **b != b'_').count();
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Exponents past ±100,000 are cut there: the value is 0 or out of range either way.
fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, rest) = sign(text);
    let (digits, rest) = digits(rest);
    if digits.is_empty() || digits.contains(&b'_') || !rest.is_empty() {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i32, |value, byte| (value * 10 + i32::from(byte - b'0')).min(100_000));
    Some(if negative { -value } else { value })
}
