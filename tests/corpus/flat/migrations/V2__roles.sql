CREATE TABLE roles (role_id SERIAL PRIMARY KEY, role_name VARCHAR(255) UNIQUE NOT NULL);
CREATE TABLE account_roles (
  user_id INT NOT NULL,
  role_id INT NOT NULL,
  grant_date TIMESTAMP,
  PRIMARY KEY (user_id, role_id)
);
INSERT INTO roles (role_name) VALUES ('admin'), ('reader');
