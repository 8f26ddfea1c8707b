SET TimeZone = 'UTC';

COPY (
    SELECT
        -- A key has no times: those of customer and placed stay behind.
        o.* EXCLUDE (note, note__wt, note__exp, customer__wt, customer__exp, placed__wt, placed__exp),
        c.name AS customer_name,
        -- What is joined brings its own times: its column's, else those of the row that it comes from. 0: it does not expire.
        coalesce(c.name__wt, c.__wt) AS customer_name__wt,
        coalesce(c.name__exp, c.__exp, 0) AS customer_name__exp
    FROM 'export/orders/*.parquet' AS o
    LEFT JOIN 'export/customers/*.parquet' AS c ON c.id = o.customer
    WHERE o.customer IS NOT NULL AND o.placed IS NOT NULL
    ORDER BY o.customer, o.placed, o.id
) TO 'reshaped/orders_by_customer/orders.parquet' (FORMAT parquet);

COPY (
    SELECT id, id__cql, note, note__wt, note__exp, __wt, __exp
    FROM 'export/orders/*.parquet'
    WHERE note IS NOT NULL
    ORDER BY id
) TO 'reshaped/order_notes/notes.parquet' (FORMAT parquet);
