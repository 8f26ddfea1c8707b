create table made as select a from t;
