//! A fragment in a gateway's own language, for what no canonical policy says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::identity::GatewayType;

/// Parameters of `native`. It counts only where the gateway is of its type; elsewhere it is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NativePolicy {
    /// The gateway type whose language it is.
    pub gateway_type: GatewayType,
    /// The fragment, as the connector of that type documents it. It is kept in clear text: no secrets.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
}
