//! Routes of users and what they may do, of policies and parameters.

use super::Parameters::Columns;
use super::Route;
use super::table::{LISTED, delete, get, post, put};
use crate::authorize::Right::{Administrator, Management, Owner, Policymaker, Visible};
use crate::{object_limits, parameters, permissions, policies, users};

pub(super) fn of_users() -> Vec<Route> {
    vec![
        get("/api/users", Administrator, "Users", users::all)
            .with(&LISTED)
            .gives::<Vec<users::UserObject>>(),
        get(
            "/api/users/without-permissions",
            Administrator,
            "Users that may use no virtual host",
            users::without_permissions,
        )
        .with(&LISTED)
        .gives::<Vec<users::UserObject>>(),
        post("/api/users/bulk-delete", Administrator, "Deletes users", users::bulk_delete)
            .takes::<users::BulkDelete>(),
        get("/api/users/{user}", Administrator, "A user", users::get)
            .with(&[Columns])
            .gives::<users::UserObject>(),
        put("/api/users/{user}", Administrator, "Makes or changes a user", users::put)
            .takes::<users::PutUser>(),
        delete("/api/users/{user}", Administrator, "Deletes a user", users::delete),
        get(
            "/api/users/{user}/permissions",
            Administrator,
            "What the user may",
            permissions::of_user,
        )
        .with(&LISTED)
        .gives::<Vec<permissions::PermissionObject>>(),
        get(
            "/api/users/{user}/topic-permissions",
            Administrator,
            "Routing keys of the user",
            permissions::topics_of_user,
        )
        .with(&LISTED)
        .gives::<Vec<permissions::TopicPermissionObject>>(),
        get("/api/user-limits", Administrator, "Limits of users", object_limits::of_users)
            .with(&LISTED)
            .gives::<Vec<object_limits::UserLimitsObject>>(),
        get("/api/user-limits/{user}", Owner, "Limits of a user", object_limits::of_user)
            .with(&LISTED)
            .gives::<Vec<object_limits::UserLimitsObject>>(),
        put(
            "/api/user-limits/{user}/{name}",
            Administrator,
            "Sets a limit",
            object_limits::put_of_user,
        )
        .takes::<object_limits::PutLimit>(),
        delete(
            "/api/user-limits/{user}/{name}",
            Administrator,
            "Lifts a limit",
            object_limits::delete_of_user,
        ),
    ]
}

/// Who may do what.
pub(super) fn of_permissions() -> Vec<Route> {
    const TOPICS: &str = "/api/topic-permissions/{vhost}/{user}";
    const TOPIC: &str = "/api/topic-permissions/{vhost}/{user}/{exchange}";
    vec![
        get("/api/permissions", Administrator, "Who may do what", permissions::all)
            .with(&LISTED)
            .gives::<Vec<permissions::PermissionObject>>(),
        get("/api/permissions/{vhost}/{user}", Administrator, "What a user may", permissions::get)
            .with(&[Columns])
            .gives::<permissions::PermissionObject>(),
        put("/api/permissions/{vhost}/{user}", Administrator, "Grants", permissions::put)
            .takes::<permissions::PutPermission>(),
        delete("/api/permissions/{vhost}/{user}", Administrator, "Takes away", permissions::delete),
        get("/api/topic-permissions", Administrator, "Routing keys", permissions::all_topics)
            .with(&LISTED)
            .gives::<Vec<permissions::TopicPermissionObject>>(),
        get(TOPICS, Administrator, "Routing keys of a user", permissions::get_topics)
            .with(&LISTED)
            .gives::<Vec<permissions::TopicPermissionObject>>(),
        get(TOPIC, Administrator, "The same, with an exchange", permissions::get_topics)
            .with(&LISTED)
            .gives::<Vec<permissions::TopicPermissionObject>>(),
        put(TOPICS, Administrator, "Grants routing keys", permissions::put_topic)
            .takes::<permissions::PutTopicPermission>(),
        delete(TOPICS, Administrator, "Takes them all away", permissions::delete_topics),
        delete(TOPIC, Administrator, "Takes them away", permissions::delete_topics),
    ]
}

pub(super) fn of_policies_and_parameters() -> Vec<Route> {
    const POLICY: &str = "/api/policies/{vhost}/{name}";
    const OF_OPERATOR: &str = "/api/operator-policies/{vhost}/{name}";
    const PARAMETER: &str = "/api/parameters/{component}/{vhost}/{name}";
    const GLOBAL: &str = "/api/global-parameters/{name}";
    vec![
        get("/api/policies", Management, "Policies", policies::all)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get("/api/policies/{vhost}", Visible, "Policies there", policies::all)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get(POLICY, Visible, "A policy", policies::get)
            .with(&[Columns])
            .gives::<policies::PolicyObject>(),
        put(POLICY, Policymaker, "Makes or changes a policy", policies::put)
            .takes::<policies::PutPolicy>(),
        delete(POLICY, Policymaker, "Deletes a policy", policies::delete),
        get("/api/operator-policies", Management, "Operator policies", policies::all_of_operator)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get("/api/operator-policies/{vhost}", Visible, "Those there", policies::all_of_operator)
            .with(&LISTED)
            .gives::<Vec<policies::PolicyObject>>(),
        get(OF_OPERATOR, Visible, "An operator policy", policies::get_of_operator)
            .with(&[Columns])
            .gives::<policies::PolicyObject>(),
        put(OF_OPERATOR, Administrator, "Makes or changes one", policies::put_of_operator)
            .takes::<policies::PutPolicy>(),
        delete(OF_OPERATOR, Administrator, "Deletes one", policies::delete_of_operator),
        get("/api/parameters", Policymaker, "Parameters of components", parameters::all)
            .with(&LISTED)
            .gives::<Vec<parameters::ParameterObject>>(),
        get("/api/parameters/{component}", Policymaker, "Those of one", parameters::all)
            .with(&LISTED)
            .gives::<Vec<parameters::ParameterObject>>(),
        get("/api/parameters/{component}/{vhost}", Policymaker, "Those there", parameters::all)
            .with(&LISTED)
            .gives::<Vec<parameters::ParameterObject>>(),
        get(PARAMETER, Policymaker, "A parameter", parameters::get)
            .with(&[Columns])
            .gives::<parameters::ParameterObject>(),
        put(PARAMETER, Policymaker, "Makes or changes a parameter", parameters::put)
            .takes::<parameters::PutParameter>(),
        delete(PARAMETER, Policymaker, "Deletes a parameter", parameters::delete),
        get("/api/global-parameters", Policymaker, "Global parameters", parameters::all_global)
            .with(&LISTED)
            .gives::<Vec<parameters::GlobalParameterObject>>(),
        get(GLOBAL, Policymaker, "A global parameter", parameters::get_global)
            .with(&[Columns])
            .gives::<parameters::GlobalParameterObject>(),
        put(GLOBAL, Policymaker, "Makes or changes one", parameters::put_global)
            .takes::<parameters::PutParameter>(),
        delete(GLOBAL, Policymaker, "Deletes one", parameters::delete_global),
    ]
}
