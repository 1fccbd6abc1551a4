//! Queues: the list, making one, and the pages of each.
//!
//! ```text
//! /queues                      the list, and what is done to many of them
//! /queues/new                  making one
//! /queues/HOST/NAME            how it goes
//!   .../messages               what waits in it, and what is done to some of it
//!   .../messages/PLACE         a message
//!   .../unacked                what its consumers have
//!   .../consumers  .../bindings  .../settings
//!   .../purge  .../delete      what cannot be undone, or for ten minutes only
//! ```

mod arguments;
mod body;
mod bulk;
mod chosen;
mod deaths;
mod endings;
mod filter;
mod head;
mod hints;
mod list;
mod message;
mod messages;
mod new;
mod overview;
mod settings;
mod tabs;
mod target;

use super::Routes;

pub(crate) use list::key;

pub(crate) fn add(routes: Routes) -> Routes {
    let adds = [
        bulk::add,
        chosen::add,
        endings::add,
        list::add,
        message::add,
        messages::add,
        new::add,
        overview::add,
        settings::add,
        tabs::add,
    ];
    adds.into_iter().fold(routes, |routes, add| add(routes))
}
