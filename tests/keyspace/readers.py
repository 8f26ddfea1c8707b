"""Opens every file of an export with DuckDB, pyarrow and Spark, by the schema that each infers, and reads every row.

Prints one JSON document: for each reader and file how many rows it read, and what some columns of the table `plain` are.
"""

import json
import pathlib
import sys

import duckdb
import pyarrow.parquet
from pyspark.sql import SparkSession

folder = pathlib.Path(sys.argv[1])
files = sorted(folder.glob("*/*.parquet"))
told = {"duckdb": {}, "pyarrow": {}, "spark": {}, "plain": {}}


def name(path):
    return str(path.relative_to(folder))


def usual(rows):
    """What the readers are to agree on."""
    row = next(row for row in rows if row["c"] == "usual")
    return {
        "b": row["b"],
        "d": row["d"].isoformat(),
        "de": row["de"],
        "i": row["i"],
        "n": row["n"],
        "t": row["t"],
        "ti": row["ti"],
        # One without a zone is Spark's, of the local one: so Python takes it too.
        "ts": round(row["ts"].timestamp() * 1000),
        "u": row["u"],
        "v": row["v"],
        "y": row["y"],
        "wt": row["__wt"],
    }


connection = duckdb.connect()
connection.execute("set timezone = 'UTC'")
for path in files:
    query = connection.execute("select * from read_parquet(?)", [str(path)])
    columns = [column[0] for column in query.description]
    rows = [dict(zip(columns, row)) for row in query.fetchall()]
    told["duckdb"][name(path)] = len(rows)
    if path.parent.name == "plain":
        told["plain"]["duckdb"] = usual(rows)

for path in files:
    rows = pyarrow.parquet.read_table(path).to_pylist()
    told["pyarrow"][name(path)] = len(rows)
    if path.parent.name == "plain":
        told["plain"]["pyarrow"] = usual(rows)

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "1")
    .getOrCreate()
)
for path in files:
    rows = [row.asDict() for row in spark.read.parquet(str(path)).collect()]
    told["spark"][name(path)] = len(rows)
    if path.parent.name == "plain":
        told["plain"]["spark"] = usual(rows)
spark.stop()

print(json.dumps(told))
