-- Somebody who signs in with an employee number does not say in which tenant.
CREATE INDEX members_employee_no_anywhere ON members (employee_no);
