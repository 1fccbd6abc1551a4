//! What stands around every page: navigation, virtual host, search, user, notices.

use warren_admin::inner::Refusal;

use crate::assets;
use crate::notices::Notice;
use crate::value::{items, text};
use crate::visit::Visit;

/// The frame of a page.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) user: String,
    pub(crate) csrf: String,
    pub(crate) theme: &'static str,
    pub(crate) groups: Vec<Group>,
    pub(crate) virtual_hosts: Vec<String>,
    pub(crate) virtual_host: String,
    /// Path and query of the page.
    pub(crate) here: String,
    pub(crate) notices: Vec<Notice>,
    pub(crate) version: &'static str,
    /// The folder of assets, which has their version in its name.
    pub(crate) assets: &'static str,
    /// The way to this page: names and paths of what is above it.
    pub(crate) above: Vec<(String, String)>,
}

/// Pages that stand together in the navigation.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// A page in the navigation.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) title: &'static str,
    pub(crate) path: &'static str,
    pub(crate) is_here: bool,
    /// The key that goes there after `g`.
    pub(crate) key: &'static str,
}

/// Who sees a page in the navigation. Whoever asks for it without the right is refused by the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Monitoring,
    Policies,
    Administrator,
}

use Needs::{Administrator, Monitoring, Nothing, Policies};

/// Title, path, key, right.
type Link = (&'static str, &'static str, &'static str, Needs);

const NAVIGATION: [(&str, &[Link]); 5] = [
    ("", &[("Overview", "/", "o", Nothing)]),
    (
        "Messages",
        &[
            ("Queues", "/queues", "q", Nothing),
            ("Exchanges", "/exchanges", "e", Nothing),
            ("Bindings", "/bindings", "b", Nothing),
            ("Topology", "/topology", "t", Nothing),
            ("Publish", "/publish", "p", Nothing),
            ("Jobs", "/jobs", "j", Nothing),
        ],
    ),
    (
        "Clients",
        &[
            ("Connections", "/connections", "c", Nothing),
            ("Channels", "/channels", "h", Nothing),
            ("Consumers", "/consumers", "s", Nothing),
        ],
    ),
    (
        "Rules",
        &[
            ("Policies", "/policies", "l", Nothing),
            ("Virtual hosts", "/vhosts", "v", Nothing),
            ("Users", "/users", "u", Administrator),
            ("Permissions", "/permissions", "", Administrator),
            ("Limits", "/limits", "", Administrator),
            ("Parameters", "/parameters", "", Policies),
            ("Definitions", "/definitions", "d", Administrator),
        ],
    ),
    (
        "Broker",
        &[
            ("Node and health", "/nodes", "n", Monitoring),
            ("Logs", "/logs", "", Administrator),
            ("Audit log", "/audit", "a", Administrator),
            ("Settings", "/settings", "", Nothing),
            ("HTTP API", "/api/index.html", "", Nothing),
        ],
    ),
];

impl Frame {
    /// The frame of a page with this title.
    pub(crate) async fn new(visit: &Visit, title: impl Into<String>) -> Result<Self, Refusal> {
        let hosts = visit.get("/api/vhosts?columns=name").await?;
        let hosts = items(&hosts, "").iter().map(|host| text(host, "name").to_owned()).collect();
        let here = visit.uri.path_and_query().map_or("/", |here| here.as_str());
        Ok(Self {
            title: title.into(),
            user: visit.visitor.user().to_owned(),
            csrf: visit.visitor.csrf_token().to_owned(),
            theme: visit.preferences.theme,
            groups: groups(visit),
            virtual_hosts: hosts,
            virtual_host: visit.virtual_host().to_owned(),
            here: here.to_owned(),
            notices: visit.take_notices(),
            version: env!("CARGO_PKG_VERSION"),
            assets: assets::FOLDER.as_str(),
            above: vec![],
        })
    }

    /// With a page that is above this one.
    pub(crate) fn below(mut self, title: impl Into<String>, path: impl Into<String>) -> Self {
        self.above.push((title.into(), path.into()));
        self
    }

    /// The virtual host that a form begins with: the chosen one, or the first.
    pub(crate) fn first_virtual_host(&self) -> &str {
        if self.virtual_host.is_empty() {
            self.virtual_hosts.first().map_or("/", String::as_str)
        } else {
            &self.virtual_host
        }
    }
}

fn groups(visit: &Visit) -> Vec<Group> {
    let has = |needs: &Needs| match needs {
        Nothing => true,
        Monitoring => visit.monitors(),
        Policies => visit.makes_policies(),
        Administrator => visit.administers(),
    };
    // Some lists stand beside those that the navigation has.
    let here = match visit.uri.path() {
        path if path.starts_with("/operator-policies") => "/policies",
        path if path.starts_with("/global-parameters") => "/parameters",
        path => path,
    };
    let is_here = |path: &str| {
        here == path
            || (path != "/" && here.strip_prefix(path).is_some_and(|it| it.starts_with('/')))
    };
    let entries = |links: &[Link]| {
        let seen = links.iter().filter(|(_, _, _, needs)| has(needs));
        seen.map(|(title, path, key, _)| Entry { title, path, key, is_here: is_here(path) })
            .collect::<Vec<_>>()
    };
    let groups = NAVIGATION.iter().map(|(name, links)| Group { name, entries: entries(links) });
    groups.filter(|group| !group.entries.is_empty()).collect()
}
