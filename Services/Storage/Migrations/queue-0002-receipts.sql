-- What was enqueued is remembered with all other deliveries: mail.receipts, account 0.
DROP TABLE queue.receipts;
