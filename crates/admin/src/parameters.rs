//! Parameters of components in virtual hosts, global parameters, and the cluster's name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warren_server::catalog::{Change, Done, GlobalParameter, Parameter};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::change::change;
use crate::error::Error;
use crate::list::{list, one};

/// A parameter of a component.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ParameterObject<'a> {
    value: &'a Value,
    vhost: &'a str,
    component: &'a str,
    name: &'a str,
}

impl<'a> From<&'a Parameter> for ParameterObject<'a> {
    fn from(parameter: &'a Parameter) -> Self {
        let Parameter { component, virtual_host, name, value } = parameter;
        Self { value, vhost: virtual_host, component, name }
    }
}

/// A global parameter.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GlobalParameterObject<'a> {
    name: &'a str,
    value: &'a Value,
}

/// What a parameter is to say.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutParameter {
    /// Anything.
    value: Value,
}

/// The cluster's name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ClusterName {
    /// The name.
    name: String,
}

pub(crate) async fn all(call: Call) -> Answer {
    let component = call.path.iter().find(|(key, _)| key == "component");
    let one_host = call.one_virtual_host()?;
    let parameters = call.state.parameters();
    let wanted = parameters.iter().filter(|parameter| {
        component.is_none_or(|(_, name)| parameter.component == *name)
            && one_host.is_none_or(|host| parameter.virtual_host == host)
            && call.sees_virtual_host(&parameter.virtual_host)
    });
    let objects = wanted
        .filter_map(|parameter| serde_json::to_value(ParameterObject::from(&**parameter)).ok())
        .collect();
    list(&call, objects, &["vhost", "component", "name"]).await
}

/// Whether there is a part of the broker that would do what a parameter says. Nobody is to believe that
/// a shovel works which does not.
pub(crate) fn check_component(component: &str) -> Result<(), String> {
    match component {
        "operator_policy" | "vhost-limits" => Ok(()),
        _ => Err(format!("Validation failed\n\ncomponent {component} not found\n")),
    }
}

pub(crate) async fn get(call: Call) -> Answer {
    let (component, name) = (call.path("component"), call.path("name"));
    let parameter = call.state.parameter(component, call.virtual_host()?, name);
    one(&call, &ParameterObject::from(&*parameter.ok_or(Error::NoSuchObject)?))
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let PutParameter { value } = call.json().await?;
    let (component, name) = (call.path("component").to_owned(), call.path("name").to_owned());
    check_component(&component).map_err(Error::BadRequest)?;
    let parameter = Parameter { component, virtual_host, name, value };
    answer::put(change(&call, Change::PutParameter(parameter)).await? == Done::Created)
}

pub(crate) async fn delete(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let (component, name) = (call.path("component").to_owned(), call.path("name").to_owned());
    change(&call, Change::DeleteParameter { component, virtual_host, name }).await?;
    answer::done()
}

impl<'a> From<&'a GlobalParameter> for GlobalParameterObject<'a> {
    fn from(GlobalParameter { name, value }: &'a GlobalParameter) -> Self {
        Self { name, value }
    }
}

pub(crate) async fn all_global(call: Call) -> Answer {
    let parameters = call.state.global_parameters();
    let objects =
        parameters.filter_map(|it| serde_json::to_value(GlobalParameterObject::from(&**it)).ok());
    let objects = objects.collect();
    list(&call, objects, &["name"]).await
}

pub(crate) async fn get_global(call: Call) -> Answer {
    let parameter = call.state.global_parameter(call.path("name"));
    one(&call, &GlobalParameterObject::from(&**parameter.ok_or(Error::NoSuchObject)?))
}

pub(crate) async fn put_global(mut call: Call) -> Answer {
    let PutParameter { value } = call.json().await?;
    let parameter = GlobalParameter { name: call.path("name").to_owned(), value };
    answer::put(change(&call, Change::PutGlobalParameter(parameter)).await? == Done::Created)
}

pub(crate) async fn delete_global(call: Call) -> Answer {
    let name = call.path("name").to_owned();
    change(&call, Change::DeleteGlobalParameter { name }).await?;
    answer::done()
}

pub(crate) async fn get_cluster_name(call: Call) -> Answer {
    answer::ok(&json!({"name": call.api.cluster_name(&call.state)}))
}

pub(crate) async fn put_cluster_name(mut call: Call) -> Answer {
    let ClusterName { name } = call.json().await?;
    change(&call, Change::SetClusterName { name }).await?;
    answer::done()
}
