//! Routing by exchanges of every kind, and by exchanges bound to exchanges.

use crate::scenario::scenario;

#[test]
fn the_default_exchange_routes_by_queue_name() {
    scenario(
        "
        given declare queue q; declare queue r
        publish '' q hello | '' nobody lost
        get q no_ack
          > s1.1 get-ok 1 hello, 0 left
        get r no_ack
          > s1.1 get-empty
        ",
    );
}

#[test]
fn a_direct_exchange_routes_by_equality() {
    scenario(
        "
        given declare exchange x direct; declare queue q; declare queue r; bind q x a; bind r x a
        given bind r x b
        publish x a one | x b two | x c lost mandatory
          > s1.1 return lost
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        get q no_ack
          > s1.1 get-empty
        get r no_ack
          > s1.1 get-ok 2 one, 1 left
        get r no_ack
          > s1.1 get-ok 3 two, 0 left
        get r no_ack
          > s1.1 get-empty
        ",
    );
}

#[test]
fn a_fanout_exchange_does_not_look_at_the_key() {
    scenario(
        "
        given declare queue q; declare queue r; bind q amq.fanout ''; bind r amq.fanout zzz
        publish amq.fanout any hello
        get q no_ack
          > s1.1 get-ok 1 hello, 0 left
        get r no_ack
          > s1.1 get-ok 2 hello, 0 left
        ",
    );
}

#[test]
fn a_topic_exchange_matches_words() {
    scenario(
        "
        given declare queue star; declare queue hash; declare queue both; declare queue exact
        given bind star amq.topic a.*.c; bind hash amq.topic a.#; bind both amq.topic *.#.c
        given bind exact amq.topic a.b
        publish amq.topic a.b.c 1 | amq.topic a 2 | amq.topic a.b 3 | amq.topic x.c 4 | amq.topic \
            '' 5 mandatory
          > s1.1 return 5
        consume star star no_ack
          > s1.1 consume-ok star
          > s1.1 deliver star 1 1
        consume hash hash no_ack
          > s1.1 consume-ok hash
          > s1.1 deliver hash 2 1
          > s1.1 deliver hash 3 2
          > s1.1 deliver hash 4 3
        consume both both no_ack
          > s1.1 consume-ok both
          > s1.1 deliver both 5 1
          > s1.1 deliver both 6 4
        consume exact exact no_ack
          > s1.1 consume-ok exact
          > s1.1 deliver exact 7 3
        ",
    );
}

#[test]
fn an_empty_word_is_a_word_but_the_empty_key_has_none() {
    scenario(
        "
        given declare queue q; declare queue r; bind q amq.topic *; bind r amq.topic a.*.b
        publish amq.topic '' none mandatory
          > s1.1 return none
        publish amq.topic a..b empty
        get q
          > s1.1 get-empty
        get r
          > s1.1 get-ok 1 empty, 0 left
        ",
    );
}

#[test]
fn headers_all_wants_every_header() {
    scenario(
        "
        given declare queue q; bind q amq.headers '' x-match=all h=1 i=red
        publish amq.headers '' both h=1 i=red j=more | amq.headers '' one h=1 mandatory | \
            amq.headers '' other h=1 i=blue mandatory
          > s1.1 return one
          > s1.1 return other
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 both
        ",
    );
}

#[test]
fn headers_match_all_is_the_default() {
    scenario(
        "
        given declare queue q; bind q amq.match k h=1 i=2
        publish amq.match '' both h=1 i=2 | amq.match '' one h=1 mandatory
          > s1.1 return one
        get q
          > s1.1 get-ok 1 both, 0 left
        ",
    );
}

#[test]
fn headers_any_wants_one_header() {
    scenario(
        "
        given declare queue q; bind q amq.headers '' x-match=any h=1 i=2
        publish amq.headers '' one i=2 | amq.headers '' none h=2 mandatory | amq.headers '' bare \
            mandatory
          > s1.1 return none
          > s1.1 return bare
        get q
          > s1.1 get-ok 1 one, 0 left
        ",
    );
}

#[test]
fn headers_beginning_with_x_count_only_where_asked_for() {
    scenario(
        "
        given declare queue plain; declare queue with; declare queue any
        given bind plain amq.headers '' x-match=all h=1 x-kind=a
        given bind with amq.headers '' x-match=all-with-x h=1 x-kind=a
        given bind any amq.headers '' x-match=any-with-x x-kind=a
        publish amq.headers '' bare h=1 | amq.headers '' both h=1 x-kind=a | amq.headers '' kind \
            x-kind=a
        consume plain plain no_ack
          > s1.1 consume-ok plain
          > s1.1 deliver plain 1 bare
          > s1.1 deliver plain 2 both
        consume with with no_ack
          > s1.1 consume-ok with
          > s1.1 deliver with 3 both
        consume any any no_ack
          > s1.1 consume-ok any
          > s1.1 deliver any 4 both
          > s1.1 deliver any 5 kind
        ",
    );
}

#[test]
fn headers_numbers_of_all_widths_are_equal_and_other_types_are_not() {
    scenario(
        "
        given declare queue q; bind q amq.headers '' n=5
        publish amq.headers '' byte n=5:byte | amq.headers '' ubyte n=5:unsignedbyte | \
            amq.headers '' short n=5:short | amq.headers '' ushort n=5:unsignedshort | \
            amq.headers '' uint n=5:unsignedint | amq.headers '' long n=5:long
        publish amq.headers '' text n='5' mandatory | amq.headers '' six n=6 mandatory | \
            amq.headers '' bool n=true mandatory | amq.headers '' time n=@5 mandatory | \
            amq.headers '' void n=void mandatory
          > s1.1 return text
          > s1.1 return six
          > s1.1 return bool
          > s1.1 return time
          > s1.1 return void
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 byte
          > s1.1 deliver c 2 ubyte
          > s1.1 deliver c 3 short
          > s1.1 deliver c 4 ushort
          > s1.1 deliver c 5 uint
          > s1.1 deliver c 6 long
        ",
    );
}

#[test]
fn headers_of_every_type_match_their_like() {
    scenario(
        "
        given declare queue b; declare queue d; declare queue t; declare queue s
        given bind b amq.headers '' v=true; bind d amq.headers '' v=1.5; bind t amq.headers '' v=@7
        given bind s amq.headers '' v=text
        publish amq.headers '' bool v=true | amq.headers '' double v=1.5 | amq.headers '' float \
            v=1.5:float | amq.headers '' time v=@7 | amq.headers '' text v=text
        publish amq.headers '' bool v=false mandatory | amq.headers '' double v=2.5 mandatory | \
            amq.headers '' time v=@8 mandatory | amq.headers '' text v=Text mandatory
          > s1.1 return bool
          > s1.1 return double
          > s1.1 return time
          > s1.1 return text
        consume b b no_ack
          > s1.1 consume-ok b
          > s1.1 deliver b 1 bool
        consume d d no_ack
          > s1.1 consume-ok d
          > s1.1 deliver d 2 double
          > s1.1 deliver d 3 float
        consume t t no_ack
          > s1.1 consume-ok t
          > s1.1 deliver t 4 time
        consume s s no_ack
          > s1.1 consume-ok s
          > s1.1 deliver s 5 text
        ",
    );
}

#[test]
fn a_headers_argument_without_value_wants_the_header_to_be_there() {
    scenario(
        "
        given declare queue q; bind q amq.headers '' h=void
        publish amq.headers '' five h=5 | amq.headers '' text h=text | amq.headers '' none i=5 \
            mandatory
          > s1.1 return none
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 five
          > s1.1 deliver c 2 text
        ",
    );
}

#[test]
fn headers_all_of_nothing_matches_everything_and_any_of_nothing_nothing() {
    scenario(
        "
        given declare queue all; declare queue any; bind all amq.headers '' x-match=all
        given bind any amq.headers '' x-match=any
        publish amq.headers '' hello
        get all
          > s1.1 get-ok 1 hello, 0 left
        get any
          > s1.1 get-empty
        ",
    );
}

#[test]
fn a_headers_binding_is_told_apart_by_its_arguments() {
    scenario(
        "
        given declare queue q; bind q amq.headers '' h=1; bind q amq.headers '' h=2
        unbind q amq.headers '' h=1
          > s1.1 unbind-ok
        publish amq.headers '' one h=1 mandatory | amq.headers '' two h=2
          > s1.1 return one
        ",
    );
}

#[test]
fn an_unknown_x_match_is_refused() {
    scenario(
        "
        given declare queue q
        bind q amq.headers '' x-match=zz h=1
          > s1.1 channel error 50.20: Invalid x-match field value <<\"zz\">>; \
            expected all, any, all-with-x, or any-with-x
        ",
    );
}

#[test]
fn a_queue_gets_one_copy_however_many_bindings_match() {
    scenario(
        "
        given declare queue q; bind q amq.topic a.*; bind q amq.topic *.b; bind q amq.topic #
        publish amq.topic a.b once
        get q
          > s1.1 get-ok 1 once, 0 left
        get q
          > s1.1 get-empty
        ",
    );
}

#[test]
fn exchanges_bound_to_exchanges_route_over_the_union() {
    scenario(
        "
        given declare exchange x fanout; declare exchange y direct; declare exchange z fanout
        given declare queue q; declare queue r
        given bind exchange:y x ''; bind exchange:z x ''; bind q y k; bind q z ''; bind r y other
        publish x k hello
        get q
          > s1.1 get-ok 1 hello, 0 left
        get q
          > s1.1 get-empty
        get r
          > s1.1 get-empty
        ",
    );
}

#[test]
fn a_circle_of_exchanges_ends() {
    scenario(
        "
        given declare exchange x fanout; declare exchange y fanout; declare queue q
        given bind exchange:y x ''; bind exchange:x y ''; bind exchange:x x ''; bind q y ''
        publish x '' hello
        get q
          > s1.1 get-ok 1 hello, 0 left
        get q
          > s1.1 get-empty
        ",
    );
}

#[test]
fn each_exchange_on_the_way_applies_its_own_kind() {
    scenario(
        "
        given declare exchange t topic; declare queue q; declare queue r
        given bind exchange:amq.headers t a.#; bind exchange:amq.direct t #
        given bind q amq.headers '' h=1; bind r amq.direct a.b
        publish t a.b none | t a.b one h=1 | t b.a two h=1 mandatory
          > s1.1 return two
        consume q q no_ack
          > s1.1 consume-ok q
          > s1.1 deliver q 1 one
        consume r r no_ack
          > s1.1 consume-ok r
          > s1.1 deliver r 2 none
          > s1.1 deliver r 3 one
        ",
    );
}

#[test]
fn a_remembered_route_is_forgotten_when_bindings_change() {
    scenario(
        "
        given declare queue q; declare queue r; bind q amq.topic a
        publish amq.topic a one
        bind r amq.topic #
          > s1.1 bind-ok
        publish amq.topic a two
        unbind q amq.topic a
          > s1.1 unbind-ok
        publish amq.topic a three
        get q
          > s1.1 get-ok 1 one, 1 left
        get q
          > s1.1 get-ok 2 two, 0 left
        get r
          > s1.1 get-ok 3 two, 1 left
        get r
          > s1.1 get-ok 4 three, 0 left
        ",
    );
}

#[test]
fn an_internal_exchange_takes_messages_only_from_exchanges() {
    scenario(
        "
        given declare exchange inner fanout internal; declare exchange outer fanout; declare queue q
        given bind exchange:inner outer ''; bind q inner ''
        publish outer '' through
        get q no_ack
          > s1.1 get-ok 1 through, 0 left
        publish inner '' refused
          > s1.1 channel error 60.40: cannot publish to internal exchange 'inner' in vhost '/'
        ",
    );
}

#[test]
fn the_trace_exchange_is_internal() {
    scenario(
        "
        publish amq.rabbitmq.trace '' refused
          > s1.1 channel error 60.40: cannot publish to internal exchange 'amq.rabbitmq.trace' in \
              vhost '/'
        ",
    );
}
