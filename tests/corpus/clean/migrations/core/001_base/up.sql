create table device (id uuid primary key, serial text not null, model text, seen timestamptz);
create table reading (device uuid not null references device, at timestamptz not null, value double precision, primary key (device, at));
