from pyspark.sql import SparkSession
from pyspark.sql.functions import coalesce, col, lit

spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
orders = spark.read.parquet("export/orders")

# What is joined brings its own times: its column's, else those of the row that it comes from. 0: it does not expire.
customers = spark.read.parquet("export/customers").select(
    col("id").alias("of"),
    col("name").alias("customer_name"),
    coalesce("name__wt", "__wt").alias("customer_name__wt"),
    coalesce("name__exp", "__exp", lit(0)).alias("customer_name__exp"),
)

# A key has no times: those of customer and placed stay behind.
by_customer = (
    orders.drop("note", "note__wt", "note__exp", "customer__wt", "customer__exp", "placed__wt", "placed__exp")
    .where("customer is not null and placed is not null")
    .join(customers, col("customer") == col("of"), "left")
    .drop("of")
    .orderBy("customer", "placed", "id")
)
by_customer.write.mode("overwrite").parquet("reshaped/orders_by_customer")

notes = orders.where("note is not null").select("id", "id__cql", "note", "note__wt", "note__exp", "__wt", "__exp")
notes.orderBy("id").write.mode("overwrite").parquet("reshaped/order_notes")
spark.stop()
