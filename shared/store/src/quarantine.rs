use domain::Window;
use futures::try_join;

use crate::commit::{stored_count, stored_deferrals, stored_error};
use crate::conflict::until_alone;
use crate::{Error, Run, Store};

impl Store {
    /// Sets a window aside for good: records why and moves the agent's cursor past it, in one transaction of one round
    /// trip, by the same compare-and-set as [`Store::commit`].
    ///
    /// Of a run that redrives a quarantined one, the cursor stays and that one is renewed: the error, when, and what it
    /// cost in all. False when another run was first, or the window is empty. `error` is kept to 500 characters and
    /// must not quote a message.
    pub async fn quarantine(&self, window: &Window, run: &Run, error: &str) -> Result<bool, Error> {
        if window.is_empty() {
            return Ok(false);
        }
        let error = stored_error(error);
        until_alone(|| self.quarantine_once(window, run, &error)).await
    }

    async fn quarantine_once(&self, window: &Window, run: &Run, error: &str) -> Result<bool, Error> {
        let transaction = self.transaction(&window.tenant).await?;
        let statement = transaction
            .prepare(match run.redrives {
                None => include_str!("../queries/quarantine_window.sql"),
                Some(_) => include_str!("../queries/renew_quarantined.sql"),
            })
            .await?;
        let (session, agent, through) = (window.session.0, run.agent, window.through());
        let (input, output) = (stored_count(run.input_tokens), stored_count(run.output_tokens));
        let ((), rows, ()) = try_join!(
            transaction.begin(),
            async {
                match &run.redrives {
                    None => {
                        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 14] = [
                            &session,
                            &agent,
                            &window.tenant.as_str(),
                            &window.after,
                            &through,
                            &window.generation,
                            &run.id,
                            &run.model,
                            &input,
                            &output,
                            &stored_deferrals(run.deferrals),
                            &run.first_sent_at,
                            &run.started_at,
                            &error,
                        ];
                        transaction.execute(&statement, &values).await
                    }
                    Some(quarantined) => {
                        transaction
                            .execute(
                                &statement,
                                &[
                                    quarantined, &session, &agent, &window.after, &through, &error, &input,
                                    &output,
                                ],
                            )
                            .await
                    }
                }
            },
            transaction.commit(),
        )?;
        transaction.end();
        Ok(rows == 1)
    }
}
