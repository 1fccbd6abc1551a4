//! Policies of exchanges: which apply, and the alternate exchange that they name.

use super::Topology;
use crate::planted::{self, Bug};
use crate::policy::{Policies, alternate_exchange};
use crate::router::ExchangeKey;

impl Topology {
    /// All exchanges, in a fixed order.
    pub(crate) fn exchange_keys(&self) -> Vec<ExchangeKey> {
        let mut keys: Vec<_> = self.exchanges.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// Lets the policies that apply to an exchange hold. Gives how many were looked at.
    pub(crate) fn apply_policies(&mut self, key: ExchangeKey, policies: &Policies) -> usize {
        let Some(exchange) = self.exchanges.get_mut(&key) else { return 1 };
        let (found, work) = policies.for_exchange(&exchange.record.name);
        if found != exchange.policies {
            let alternate = alternate_exchange(&found);
            exchange.policies = found;
            exchange.counted.note(key, &mut self.changes);
            if alternate != exchange.settings.policy_alternate {
                exchange.settings.policy_alternate = alternate;
                self.epoch += u64::from(!planted::is(Bug::RoutesOutlivePolicy));
            }
        }
        work + 1
    }

    /// The same for an exchange by its name.
    pub(crate) fn apply_policies_to(&mut self, exchange: &str, policies: &Policies) {
        if let Some(key) = self.exchange_names.get(exchange).copied() {
            self.apply_policies(key, policies);
        }
    }

    /// Checks that what is known to apply is what would be found.
    pub(crate) fn check_policies(&self, policies: &Policies) -> Result<(), String> {
        for exchange in self.exchanges.values() {
            let name = &exchange.record.name;
            let (found, _) = policies.for_exchange(name);
            let alternate = alternate_exchange(&found);
            let is_right =
                found == exchange.policies && alternate == exchange.settings.policy_alternate;
            if !is_right {
                return Err(format!("exchange {name}: other policies apply to it"));
            }
        }
        Ok(())
    }
}
