//! Whether the index that IF NOT EXISTS would keep is the one that was asked for (traps P10).

use super::Postgres;
use super::fault::Fault;
use super::names::literal;
use super::query::rows;
use crate::error::Result;

impl Postgres {
    /// Builds the index on an empty clone of its table, in a transaction that is rolled back, and compares the two as the
    /// catalogue has them: the server itself reads the definition. `create` is `CREATE [UNIQUE] INDEX`, `definition` what
    /// stands behind the table's name, `table` and `index` are quoted.
    ///
    /// The session's settings are reset afterwards.
    pub(super) async fn is_same_index(
        &mut self,
        create: &str,
        definition: &str,
        table: &str,
        index: &str,
    ) -> Result<bool> {
        let client = &self.connection.client;
        let sql = format!(
            "BEGIN; CREATE TEMPORARY TABLE kmig_clone (LIKE {table}) ON COMMIT DROP; \
             {create} kmig_clone_index ON pg_temp.kmig_clone {definition}\n; \
             SELECT count(DISTINCT shape) = 1 FROM (SELECT ROW(c.relam, i.indisunique, i.indnkeyatts, i.indclass, i.indcollation, \
             i.indoption, c.reloptions, pg_get_expr(i.indpred, i.indrelid), to_jsonb(i) ->> 'indnullsnotdistinct', \
             ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnatts) n))::text AS shape \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE i.indexrelid IN (to_regclass({}), 'pg_temp.kmig_clone_index'::regclass)) both_of_them",
            literal(index)
        );
        let compared = client.simple_query(&sql).await.map_err(Fault::from);
        if !compared.as_ref().is_err_and(Fault::session_gone) {
            self.roll_back().await?;
        }
        let messages = compared?;
        Ok(rows(&messages).first().and_then(|row| row.get(0)) == Some("t"))
    }
}
