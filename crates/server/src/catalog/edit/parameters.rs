//! Policies, parameters and limits, some of which are each other under another name.

use serde_json::Value;

use super::Edit;
use super::rules::{
    as_policy, bounded, check_name, check_policy, check_value, failed, not_found, unknown_limit,
    virtual_host_limit, whole,
};
use crate::catalog::change::Done;
use crate::catalog::error::{CatalogError, Kind};
use crate::catalog::keys;
use crate::catalog::records::{
    GlobalParameter, Parameter, Policy, Record, VirtualHost, VirtualHostLimits,
};
use crate::catalog::state::{LIMITS, OPERATOR_POLICY};
use crate::catalog::term::term;
use crate::limits;

impl Edit {
    pub(super) fn put_policy(&mut self, policy: &Policy) -> Result<Done, CatalogError> {
        self.virtual_host(&policy.virtual_host)?;
        check_name("policy", &policy.name)?;
        check_policy(policy)?;
        let Policy { virtual_host, name, operator, .. } = policy;
        let before = self.state.policy(virtual_host, name, *operator).map(|it| (**it).clone());
        if before.is_none() {
            bounded("policies", self.state.policies.len(), limits::POLICIES)?;
        }
        self.consequences.policies.insert(virtual_host.clone());
        Ok(self.put(policy.clone(), before.as_ref(), |state| &mut state.policies))
    }

    pub(super) fn delete_policy(
        &mut self,
        host: &str,
        name: &str,
        operator: bool,
    ) -> Result<Done, CatalogError> {
        self.virtual_host(host)?;
        let Some(policy) = self.state.policy(host, name, operator) else {
            return Err(not_found(Kind::Policy, name.to_owned()));
        };
        let key = policy.key();
        self.consequences.policies.insert(host.to_owned());
        self.remove(key, |state| &mut state.policies);
        Ok(Done::Deleted)
    }

    pub(super) fn put_parameter(&mut self, parameter: &Parameter) -> Result<Done, CatalogError> {
        let Parameter { component, virtual_host, name, value } = parameter;
        self.virtual_host(virtual_host)?;
        if component == OPERATOR_POLICY {
            return self.put_policy(&as_policy(parameter)?);
        }
        if (component.as_str(), name.as_str()) == LIMITS {
            return self.put_virtual_host_limits(virtual_host, value);
        }
        check_name("component", component)?;
        check_name("parameter", name)?;
        check_value(value)?;
        let names = [&**virtual_host, component, name];
        let before = self.state.parameters.get(&names).map(|it| (**it).clone());
        if before.is_none() {
            bounded("parameters", self.state.parameters.len(), limits::PARAMETERS)?;
        }
        Ok(self.put(parameter.clone(), before.as_ref(), |state| &mut state.parameters))
    }

    pub(super) fn delete_parameter(
        &mut self,
        component: &str,
        host: &str,
        name: &str,
    ) -> Result<Done, CatalogError> {
        self.virtual_host(host)?;
        if self.state.parameter(component, host, name).is_none() {
            return Err(not_found(Kind::Parameter, name.to_owned()));
        }
        if component == OPERATOR_POLICY {
            return self.delete_policy(host, name, true);
        }
        if (component, name) == LIMITS {
            let none = Value::Object(serde_json::Map::default());
            return self.put_virtual_host_limits(host, &none).map(|_| Done::Deleted);
        }
        let key = keys::join(Parameter::KIND, &[host, component, name]);
        self.remove(key, |state| &mut state.parameters);
        Ok(Done::Deleted)
    }

    pub(super) fn put_global_parameter(
        &mut self,
        parameter: &GlobalParameter,
    ) -> Result<Done, CatalogError> {
        check_name("parameter", &parameter.name)?;
        check_value(&parameter.value)?;
        let before = self.state.global_parameter(&parameter.name).map(|it| (**it).clone());
        if before.is_none() {
            let there = self.state.global_parameters.len();
            bounded("global parameters", there, limits::PARAMETERS)?;
        }
        Ok(self.put(parameter.clone(), before.as_ref(), |state| &mut state.global_parameters))
    }

    pub(super) fn delete_global_parameter(&mut self, name: &str) -> Result<Done, CatalogError> {
        let Some(parameter) = self.state.global_parameter(name) else {
            return Err(not_found(Kind::GlobalParameter, name.to_owned()));
        };
        let key = parameter.key();
        self.remove(key, |state| &mut state.global_parameters);
        Ok(Done::Deleted)
    }

    fn put_virtual_host_limits(&mut self, name: &str, value: &Value) -> Result<Done, CatalogError> {
        let before = self.virtual_host(name)?;
        let mut host = before.clone();
        host.limits = VirtualHostLimits::default();
        let Some(limits) = value.as_object() else {
            return Err(failed(&format!("limits not a list {}", term(value))));
        };
        for (limit, value) in limits {
            let Some(place) = virtual_host_limit(&mut host, limit) else {
                return Err(failed(&unknown_limit(limit, value, "limits")));
            };
            *place = Some(whole(limit, value).map_err(|text| failed(&text))?);
        }
        self.put_limited_host(host, &before)
    }

    pub(super) fn set_virtual_host_limit(
        &mut self,
        name: &str,
        limit: &str,
        value: Option<&Value>,
    ) -> Result<Done, CatalogError> {
        let before = self.virtual_host(name)?;
        let mut host = before.clone();
        let Some(value) = value else {
            // One that there is not is not there.
            if let Some(place) = virtual_host_limit(&mut host, limit) {
                *place = None;
            }
            return self.put_limited_host(host, &before);
        };
        let Some(place) = virtual_host_limit(&mut host, limit) else {
            return Err(failed(&unknown_limit(limit, value, "limits")));
        };
        *place = Some(whole(limit, value).map_err(|text| failed(&text))?);
        self.put_limited_host(host, &before)
    }

    fn put_limited_host(
        &mut self,
        host: VirtualHost,
        before: &VirtualHost,
    ) -> Result<Done, CatalogError> {
        if host.limits != before.limits {
            self.consequences.settings.insert(host.name.clone());
        }
        Ok(self.put(host, Some(before), |state| &mut state.virtual_hosts))
    }

    pub(super) fn set_user_limit(
        &mut self,
        name: &str,
        limit: &str,
        value: Option<&Value>,
    ) -> Result<Done, CatalogError> {
        let before = self.user(name)?;
        let mut user = before.clone();
        let place = match limit {
            "max-connections" => &mut user.limits.max_connections,
            "max-channels" => &mut user.limits.max_channels,
            other => match value {
                Some(value) => {
                    let text = unknown_limit(other, value, "user-limits");
                    return Err(CatalogError::InvalidLimit(text));
                }
                None => return Ok(Done::Unchanged),
            },
        };
        let value = value.map(|value| whole(limit, value)).transpose();
        *place = value.map_err(CatalogError::InvalidLimit)?;
        Ok(self.put(user, Some(&before), |state| &mut state.users))
    }
}
