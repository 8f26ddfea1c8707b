create table roles (person bigint references people, role text not null);
insert into roles values (1, 'admin'), (2, 'reader');
