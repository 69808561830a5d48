//! UUIDs: their text, their bytes, and the integer that they are stored as.
//!
//! `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11` is the 16 bytes `a0 ee bc … 11`; as a number, big-endian, with the first bit flipped, they
//! compare as signed integers like the bytes do.
//!
//! Invariants: [`parse`] reads what [`text`] writes; the order of the numbers is that of the bytes and of the texts.
//!
//! Does not: look at versions and variants, but to make new ones (RFC 9562).

/// The bit that is flipped.
const FIRST: u128 = 1 << 127;

/// The number of these bits.
pub fn of_bits(bits: u128) -> i128 {
    (bits ^ FIRST).cast_signed()
}

/// The number of 16 bytes; `None` if there are more or fewer.
pub fn of_bytes(bytes: &[u8]) -> Option<i128> {
    Some(of_bits(u128::from_be_bytes(bytes.try_into().ok()?)))
}

/// The bytes of a number.
pub fn bytes(number: i128) -> [u8; 16] {
    (number.cast_unsigned() ^ FIRST).to_be_bytes()
}

/// The text of a number: lowercase, in groups of 8, 4, 4, 4 and 12 digits.
pub fn text(number: i128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes(number).into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}

/// The number of a text: 32 hexadecimal digits of any case, with or without hyphens behind each group of four, with or without
/// braces around, as PostgreSQL reads them.
pub fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let (mut bits, mut digits) = (0_u128, 0);
    let mut before = b'-';
    for byte in inner.bytes() {
        match char::from(byte).to_digit(16) {
            Some(_) if digits == 32 => return None,
            Some(digit) => {
                bits = bits << 4 | u128::from(digit);
                digits += 1;
            }
            None if byte == b'-' && before != b'-' && digits % 4 == 0 && digits < 32 => {}
            None => return None,
        }
        before = byte;
    }
    (digits == 32).then(|| of_bits(bits))
}

/// A new one of version 4, made of random bits.
pub fn random(bits: u128) -> i128 {
    of_bits(marked(bits, 4))
}

/// A new one of version 7: milliseconds since 1970, in the next ten bits the microseconds behind these, then random bits. Other bits
/// give another uuid.
pub fn at_time(micros: i64, bits: u64) -> i128 {
    let micros = u128::from(micros.max(0).cast_unsigned());
    let (millis, rest) = ((micros / 1000) & 0xffff_ffff_ffff, micros % 1000);
    let bits = u128::from(bits);
    of_bits(marked(millis << 80 | rest << 66 | bits >> 62 << 64 | bits, 7))
}

/// The bits with those of a version, and of the variant that has versions.
fn marked(bits: u128, version: u128) -> u128 {
    let bits = bits & !(0xf << 76) | version << 76;
    bits & !(0b11 << 62) | 0b10 << 62
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_in_all_forms() {
        let wanted = parse("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        assert!(wanted.is_some());
        for form in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
            "  a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ",
        ] {
            assert_eq!(parse(form), wanted, "{form}");
        }
        assert_eq!(text(wanted.unwrap()), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    }

    #[test]
    fn other_texts_are_none() {
        for form in [
            "",
            "{}",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
            "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
            "-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            "a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc99 9c0b 4ef8 bb6d 6bb9bd380a11",
        ] {
            assert_eq!(parse(form), None, "{form}");
        }
    }

    #[test]
    fn new_ones_have_version_and_variant() {
        assert_eq!(text(random(0)), "00000000-0000-4000-8000-000000000000");
        assert_eq!(text(random(u128::MAX)), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        // The example of RFC 9562, A.6.
        let bits = 3 << 62 | 0x18c4_dc0c_0c07_398f;
        assert_eq!(
            text(at_time(0x017f_22e2_79b0 * 1000 + 816, bits)),
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
        );
    }

    proptest! {
        #[test]
        fn numbers_texts_and_bytes_are_in_one_order(a: u128, b: u128) {
            let (x, y) = (of_bits(a), of_bits(b));
            prop_assert_eq!(x.cmp(&y), bytes(x).cmp(&bytes(y)));
            prop_assert_eq!(x.cmp(&y), text(x).cmp(&text(y)));
            prop_assert_eq!(parse(&text(x)), Some(x));
            prop_assert_eq!(of_bytes(&bytes(x)), Some(x));
        }
    }
}
