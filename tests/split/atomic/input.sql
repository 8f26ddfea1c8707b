create function a1(x int) returns int
  begin atomic
    select 1;
    select case x when 1 then 2 else case when true then 3 end end;
  end;
CREATE OR REPLACE PROCEDURE p1()
LANGUAGE sql
BEGIN ATOMIC
  -- a comment with ; and end
  INSERT INTO nowhere VALUES ('end;');
END;
create or replace function a2() returns int return 1;
create function "begin"() returns int language sql as 'select 1;';
do $do$ begin perform 1; end $do$;
do 'begin perform 1; end';
select case when true then 1 end; select 2
