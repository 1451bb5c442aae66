-- A checkpoint, instead of the one of its sequence where there is one.
-- $1 tenant, $2 session, $3 sequence, $4 node, $5 parent, $6 parent's checksum, $7 through, $8 schema of the state, $9 state,
-- $10 patch, $11 whole, $12 patches, $13 bytes of all of them, $14 bytes of the state, $15 checksum.
insert into afterthought.checkpoints
    (tenant, session_id, sequence, node_id, parent, parent_checksum, through, schema_version, state, patch, whole, patches,
     chain_bytes, state_bytes, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (session_id, sequence) do update
    set node_id = excluded.node_id, parent = excluded.parent, parent_checksum = excluded.parent_checksum,
        through = excluded.through, schema_version = excluded.schema_version, state = excluded.state,
        patch = excluded.patch, whole = excluded.whole, patches = excluded.patches, chain_bytes = excluded.chain_bytes,
        state_bytes = excluded.state_bytes, checksum = excluded.checksum, created_at = now()
