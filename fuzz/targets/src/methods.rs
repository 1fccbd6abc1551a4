//! Methods off the hot path: the payload of a method frame is decoded, written, and decoded again.

use warren_amqp::fuzzing;

/// Runs the checks on one input, which is the payload.
pub fn run(payload: &[u8]) {
    let Ok(method) = fuzzing::decode_method(payload) else { return };
    let written = fuzzing::encode_method(&method);
    assert_eq!(written.get(..4), payload.get(..4), "another method was written");
    let again = match fuzzing::decode_method(&written) {
        Ok(again) => again,
        Err(error) => panic!("{method:?} was written as {written:?}: {error}"),
    };
    // Bytes are compared: a float that is no number is not equal to itself.
    assert_eq!(fuzzing::encode_method(&again), written, "{method:?} became {again:?}");
}
