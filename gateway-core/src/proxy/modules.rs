//! Having modules change the heads of answers.

use std::sync::Arc;

use http::Response;

use super::{Exchange, body::ResponseBody, text};
use crate::policy::wasm::Wasm;

impl Exchange<'_> {
    /// Shows an answer to the modules of its route that want to see it.
    pub(super) async fn past_modules(&mut self, answer: Response<ResponseBody>) -> Response<ResponseBody> {
        let modules = match &self.route {
            Some(route) if !route.chain.answer_modules.is_empty() => &route.chain.answer_modules,
            _ => return answer,
        };
        // Once protocols are switched, there is no other answer to give.
        if self.switched {
            return answer;
        }
        let modules = modules.clone();
        Box::pin(self.changed(modules, answer)).await
    }

    async fn changed(
        &mut self,
        modules: Vec<Arc<Wasm>>,
        mut answer: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let id = self.request_id.as_ref().map(text).unwrap_or_default().to_owned();
        let status = answer.status();
        for module in modules {
            let noted = self.notes.iter().position(|(of, _)| Arc::ptr_eq(of, &module));
            let note = noted.map(|at| self.notes.swap_remove(at).1);
            if let Err(problem) = module.response(&id, note, status, answer.headers_mut()).await {
                self.take_back(answer);
                return self.refuse(problem);
            }
        }
        answer
    }
}
