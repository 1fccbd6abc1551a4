//! Exchanges: the list, a page for each, adding and deleting them.

mod bindings;
mod delete;
mod explain;
pub(super) mod groups;
mod head;
mod kinds;
mod list;
mod new;
mod overview;
mod unroutable;

use super::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/exchanges", list::show)
        .post("/exchanges/bulk", delete::ask_many)
        .get("/exchanges/new", new::show)
        .post("/exchanges/new", new::make)
        .get("/exchanges/{vhost}/{name}", overview::show)
        .get("/exchanges/{vhost}/{name}/bindings", bindings::show)
        .get("/exchanges/{vhost}/{name}/explain", explain::show)
        .get("/exchanges/{vhost}/{name}/unroutable", unroutable::show)
        .get("/exchanges/{vhost}/{name}/delete", delete::ask)
        .post("/exchanges/{vhost}/{name}/delete", delete::delete)
}
