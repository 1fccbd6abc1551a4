//! The types of exchanges, in words.

/// What an exchange of a type does with a message; empty for a type that is not known here.
pub(super) fn sentence(kind: &str) -> &'static str {
    match kind {
        "direct" => "A message goes to the queues whose binding key is just its routing key.",
        "fanout" => "Every message goes to everything that is bound, whatever its routing key.",
        "topic" => {
            "Binding keys are patterns of words with dots between them: * stands for one word, # \
             for any number of words."
        }
        "headers" => {
            "The arguments of a binding say which headers a message must have: all of them, or any \
             of them (x-match). The routing key does not count."
        }
        "x-consistent-hash" => {
            "Each message goes to one of the queues, always the same one for the same routing key. \
             The binding key is a weight. Good for working in order on what belongs together."
        }
        "x-modulus-hash" => {
            "Each message goes to one of the queues by a hash of its routing key. All are equal; \
             any change of the bindings moves most keys."
        }
        "x-random" | "x-local-random" => "Each message goes to one of the queues, by chance.",
        "x-recent-history" => {
            "Every message goes to everything that is bound; what is newly bound gets the last \
             messages at once."
        }
        "x-delayed-message" => {
            "Routes as the type in x-delayed-type says. Delays are not there yet: a message with a \
             delay is refused."
        }
        "x-virtual-topic" => {
            "Each group of consumers gets each message once, and shares it inside. A queue whose \
             name begins with Consumer.GROUP. subscribes its group to the topic that follows."
        }
        _ => "",
    }
}

/// Whether an exchange of a type chooses among its bindings by chance.
pub(super) fn is_by_chance(kind: &str) -> bool {
    matches!(kind, "x-random" | "x-local-random")
}

/// Arguments that exchanges may be declared with, and what they do.
pub(super) const ARGUMENTS: [(&str, &str); 8] = [
    ("x-delayed-type", "x-delayed-message: the type by which it routes. It must be given."),
    ("hash-header", "x-consistent-hash: the header that is hashed instead of the routing key."),
    ("hash-property", "x-consistent-hash: message_id, correlation_id or timestamp is hashed."),
    ("x-recent-history-length", "x-recent-history: how many messages it keeps; 20 by default."),
    (
        "x-vt-prefix",
        "x-virtual-topic: how names of queues tell their group; Consumer.*. by default.",
    ),
    (
        "x-vt-autocreate",
        "x-virtual-topic: whether consuming makes a missing queue; true by default.",
    ),
    ("x-vt-queue-args", "x-virtual-topic: the arguments of queues made so (JSON)."),
    ("x-vt-separator", "x-virtual-topic: the character between words; a dot by default."),
];
