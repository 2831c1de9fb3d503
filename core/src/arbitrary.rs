//! `Arbitrary` for values that have rules of their own; those without derive it where they are defined.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::pin::{Lengths, PIN_LENGTH_MAX, Pin};
use crate::time::{Timestamp, Window};

impl<'a> Arbitrary<'a> for Pin {
    /// Of 1 to 19 digits.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let length = bytes.int_in_range(1..=PIN_LENGTH_MAX)?;
        let value = bytes.int_in_range(0..=10_u64.pow(length.into()) - 1)?;
        Ok(Self::new(length, value).expect("as many digits as its length says"))
    }
}

impl<'a> Arbitrary<'a> for Lengths {
    /// Any set, the empty one too.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let set = bytes.arbitrary::<u32>()?;
        Ok((1..=PIN_LENGTH_MAX).filter(|length| set >> length & 1 == 1).collect())
    }
}

impl<'a> Arbitrary<'a> for Timestamp {
    /// Any instant that a run can meet.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        bytes.int_in_range(Self::MIN.0..=Self::MAX.0).map(Self)
    }
}

impl<'a> Arbitrary<'a> for Window {
    /// Any that starts before it ends.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let starts_at = bytes.int_in_range(Timestamp::MIN.0..=Timestamp::MAX.0 - 1)?;
        let ends_at = bytes.int_in_range(starts_at + 1..=Timestamp::MAX.0)?;
        Ok(Self { starts_at: Timestamp(starts_at), ends_at: Timestamp(ends_at) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_of_a_set_is_a_length() {
        let set = |bits: u32| Lengths::arbitrary(&mut Unstructured::new(&bits.to_le_bytes())).unwrap();
        assert_eq!(set(0), [].into_iter().collect());
        assert_eq!(set(1 << 4 | 1 << 6), [4, 6].into_iter().collect());
    }
}
